"""Names that become parts of paths: of suites, plug-ins, label sets and rows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.names import LONGEST, file_name, name_problem, one_line
from benchmark.planning.suites import load_suite
from benchmark.registry import Registry

BAD = (
    "../../x",
    "x/y",
    "x\\\\y",
    "CON",
    "com1.csv",
    "",
    " ",
    "a\\u0000b",
    "a\\nb",
    ".x",
    "-x",
    "x.",
    "x ",
    "a:b",
    "a" * 101,
)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=120)


@pytest.mark.parametrize("name", BAD)
def test_a_suites_name_that_no_file_can_have_is_refused_with_file_and_field(tiny_suite, name, capsys):
    tiny_suite.write_text(tiny_suite.read_text("utf-8").replace('name = "tiny"', f'name = "{name}"'), "utf-8")
    assert main(["plan", str(tiny_suite)]) == 2
    message = capsys.readouterr().err
    assert str(tiny_suite) in message and ("name = " in message or "name: " in message) and "Traceback" not in message


@pytest.mark.parametrize("name", ["demo", "ptbxl_reports", "My suite 2", "größe-1.0+b", "x" * LONGEST])
def test_names_as_people_give_them_are_taken(tiny_suite, name):
    tiny_suite.write_text(tiny_suite.read_text("utf-8").replace('name = "tiny"', f'name = "{name}"'), "utf-8")
    assert load_suite(str(tiny_suite)).name == name


@pytest.mark.parametrize("label", ["a\\nb", " a", "\\u001b[2J", "a" * 201, "\\u202eb", "_a"])
def test_a_rows_title_is_one_line_without_control_characters(tiny_suite, label):
    text = tiny_suite.read_text("utf-8").replace('name = "handcrafted"', f'name = "handcrafted"\nlabel = "{label}"')
    tiny_suite.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"methods\.1\.label = "):
        load_suite(str(tiny_suite))


def test_a_plug_in_with_such_a_name_is_refused_with_its_distribution(tmp_path, monkeypatch):
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ecgarena.methods]\n../../x = benchmark.testing:FakeMethod\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        UsageError, match=r"plug-in method '../../x' of the distribution acme is '../../x', which cannot"
    ):
        Registry("method", "methods", "ecgarena.methods").get("../../x")
    with pytest.raises(UsageError, match="cannot be part of a file's name"):
        Registry("task", "tasks", "nothing").register("CON")(type("A", (), {}))


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_any_text_becomes_a_name_of_its_own(one, other):
    for most in (LONGEST, 50):
        names = file_name(one, most), file_name(other, most)
        assert not any(map(name_problem, names)) and all(len(name.encode()) <= most for name in names)
        assert one == other or names[0] != names[1]


def test_what_is_a_name_already_stays():
    assert file_name("per_class-linear_probe-ptbxl-super") == "per_class-linear_probe-ptbxl-super"


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_a_line_steers_no_terminal(text):
    line = one_line(text)
    assert not any(ord(letter) < 32 or ord(letter) in (127, 0x85, 0x2028, 0x2029, 0x202E) for letter in line)
    assert len(line) == len(text) and (one_line("≈ ±0.1 é 心電図") == "≈ ±0.1 é 心電図")
