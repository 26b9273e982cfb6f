"""What to type next is what was typed: the path of a suite, its changes, its part and its home; whole options only."""

import shlex

import pytest

from benchmark.cli import main
from benchmark.engine.building import build
from benchmark.engine.checkpoints import save_weights


@pytest.fixture
def suite(two_methods):
    """A suite whose path a shell would take apart."""
    path = two_methods.with_name("my suite.toml")
    path.write_text(
        two_methods.read_text("utf-8").replace('name = "handcrafted"', 'name = "handcrafted"\nlabel = "by hand"')
    )
    return path


def command_in(text, begin):
    """The words of the command that a line names."""
    line = next(line for line in text.splitlines() if begin in line)
    return shlex.split(line.partition(begin)[2])


def test_a_hint_repeats_the_suite_its_changes_its_part_and_its_home(suite, tmp_path, prepared_home, capsys):
    home = tmp_path / "my home"
    options = [
        "--set",
        "tasks.linear_probe.config.trials=2",
        "--methods",
        "by hand",
        "--limit",
        "30",
        "--home",
        str(home),
    ]
    assert main(["leaderboard", str(suite), *options]) == 4
    words = command_in(capsys.readouterr().out, "run them with: ecgarena")
    assert words[:2] == ["run", str(suite)] and words[2:] == [*options[:2], *options[2:]]
    assert main([*words, "-q"]) == 0  # and it does what it says
    assert main(["status", str(suite), *options]) == 0
    capsys.readouterr()


def test_tables_and_strict_name_the_suite_as_it_was_given(suite, prepared_home, tmp_path, capsys):
    assert main(["leaderboard", str(suite), "--out", str(tmp_path / "out"), "--strict"]) == 4
    assert f"ecgarena run {shlex.quote(str(suite))}" in capsys.readouterr().err
    assert main(["leaderboard", str(suite), "--out", str(tmp_path / "out")]) == 4
    text = (tmp_path / "out" / "tiny.md").read_text()
    assert f"`ecgarena run {shlex.quote(str(suite))}`" in text
    assert f"ecgarena run {shlex.quote(str(suite))} --methods 'by hand' --tasks linear_probe`" in text


def test_a_part_has_a_table_of_its_own_and_says_so(suite, prepared_home, capsys):
    """`run --methods X` put the part into the place of the whole suite's leaderboard."""
    assert main(["run", str(suite), "-q"]) == 0
    whole = {path.name: path.read_bytes() for path in prepared_home.leaderboards.iterdir()}
    assert main(["run", str(suite), "-q", "--methods", "by hand"]) == 0
    assert main(["leaderboard", str(suite), "--tasks", "linear_probe", "--methods", "by hand", "random_init"]) == 0
    for name, content in whole.items():
        assert (prepared_home.leaderboards / name).read_bytes() == content
    parts = {path.name for path in prepared_home.leaderboards.glob("*.md")} - whole.keys()
    assert parts == {"tiny-part-by hand.md", "tiny-part-linear_probe.md"}
    text = (prepared_home.leaderboards / "tiny-part-by hand.md").read_text()
    assert "PART OF A SUITE: --methods by hand; the whole suite has a table of its own" in text
    assert main(["leaderboard", str(suite), "--methods", "by hand", "random_init"]) == 0  # nothing is left out
    assert {path.name for path in prepared_home.leaderboards.glob("*.md")} == {*parts, "tiny.md"}


def test_a_part_is_collected_as_a_part_and_never_into_the_place_of_more(suite, prepared_home, tmp_path, capsys):
    assert main(["run", str(suite), "-q"]) == 0
    part, whole = tmp_path / "part", tmp_path / "whole"
    assert main(["collect", str(suite), "--methods", "by hand", "--out", str(part)]) == 0
    assert main(["leaderboard", str(suite), "--records", str(part), "--out", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").glob("*.md")] == ["tiny-part-by hand.md"]
    assert main(["collect", str(suite), "--out", str(whole)]) == 0
    assert main(["collect", str(suite), "--methods", "by hand", "--out", str(whole)]) == 2
    assert "holds records of more than --methods by hand" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["run", "demo", "--task", "linear_probe"], "--task (did you mean '--tasks'?)"),
        (["plan", "demo", "--method=merl"], "--method=merl (did you mean '--methods'?)"),
        (["leaderboard", "demo", "--stric"], "--stric (did you mean '--strict'?)"),
        (["data", "prepare", "synthetic", "--worker", "2"], "--worker (did you mean '--workers'?)"),
        (["list", "--xyz"], "unrecognized arguments: --xyz\n"),
    ],
)
def test_options_have_no_short_forms(home, capsys, arguments, text):
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2 and text in capsys.readouterr().err


@pytest.fixture
def unfit(two_methods, tmp_path):
    """A suite of two rows whose weights are those of a wider encoder."""
    save_weights(build("random_init", {"width": 16, "rate": 100.0}), tmp_path / "wide.safetensors")
    row = f'weights = "{tmp_path}/wide.safetensors"\nlabel = "%s"\nconfig = {{ width = 8, rate = %s }}'
    text = two_methods.read_text("utf-8").partition("[[methods]]")[0]
    for label, rate in (("one", 100.0), ("other", 50.0)):
        text += f'\n[[methods]]\nname = "random_init"\n{row % (label, rate)}\n'
    two_methods.write_text(text, "utf-8")
    return two_methods


def test_weights_that_do_not_fit_are_told_whole_once_per_row_before_the_first_cell(unfit, prepared_home, capsys):
    """The list was cut off after its first line, and that stood there 34 times."""
    assert main(["run", str(unfit), "-q"]) == 5
    text = capsys.readouterr().err
    assert text.count("does not fit RandomInit as configured:\n") == 2 and text.count("ecg_encoder.conv1.weight") == 2
    assert not prepared_home.records.exists()


def test_a_failure_is_told_whole_once_per_row(unfit, prepared_home, monkeypatch, capsys):
    monkeypatch.setattr("benchmark.engine.fitting.check_weights", lambda cells: None)
    assert main(["run", str(unfit), "-q"]) == 3
    text = capsys.readouterr().err
    assert text.count("ecg_encoder.conv1.weight") == 2 and text.count("(told in full above)") == 4
    assert main(["status", str(unfit)]) == 3
    text = capsys.readouterr().out
    assert text.count("ecg_encoder.conv1.weight") == 2 and text.count("and 2 more of its row") == 2
