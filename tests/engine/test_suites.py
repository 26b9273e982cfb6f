"""Suites: every mistake at once, with the nearest name; grids without repeats; overrides by dotted key."""

import pytest

from benchmark.cli import main
from benchmark.configuration import parse_assignments
from benchmark.errors import MissingError, UsageError
from benchmark.planning.plan import make_plan
from benchmark.planning.suite_files import suite_names
from benchmark.planning.suites import load_suite


def test_the_built_in_suites_can_be_planned():
    for name in suite_names():
        assert make_plan(load_suite(name)).cells


def test_ptbxl_asks_everything_once():
    plan = make_plan(load_suite("ptbxl"))
    probes = [cell for cell in plan.cells if cell.spec.task == "linear_probe" and cell.spec.method == "merl"]
    assert len(probes) == 4 * (5 + 5 + 1)  # at 100 % all seeds draw the same subset
    assert {skip.row for skip in plan.skips} == {"random_init", "handcrafted", "supervised"}
    assert all(skip.task == "zero_shot" and "no space shared" in skip.reason for skip in plan.skips)
    assert len({cell.spec.key for cell in plan.cells}) == len(plan.cells)


def edited(tiny_suite, *changes):
    text = tiny_suite.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    tiny_suite.write_text(text, "utf-8")
    return str(tiny_suite)


def test_keys_and_types_are_checked_together(tiny_suite):
    path = edited(tiny_suite, ('title = "Tiny synthetic suite"', "titel = 3"), ("label_sets", "labelsets"))
    with pytest.raises(UsageError) as error:
        load_suite(path)
    text = str(error.value)
    assert "titel is no key (did you mean 'title'?)" in text and "title is missing" in text
    assert "labelsets is no key (did you mean 'label_sets'?)" in text


def test_names_and_options_are_checked_together(tiny_suite):
    path = edited(
        tiny_suite,
        ('name = "handcrafted"', 'name = "handcraftet"'),
        ("trials = 3", "trails = 3"),
        ("width = 8, rate = 100.0 }", 'width = "wide", rate = 100.0 }'),
        ("batch_size = 32", "batchsize = 32"),
    )
    with pytest.raises(UsageError) as error:
        make_plan(load_suite(path))
    text = str(error.value)
    for part in ("did you mean 'handcrafted'?", "width must be a whole number", "did you mean 'batch_size'?"):
        assert part in text


def test_unknown_label_sets_suites_and_rows(tiny_suite):
    with pytest.raises(UsageError, match=r"no label set 'group' \(did you mean 'groups'\?\)"):
        make_plan(load_suite(edited(tiny_suite, ('"groups"', '"group"'))))
    with pytest.raises(UsageError, match=r"no suite 'dmo' \(did you mean 'demo'\?\)"):
        load_suite("dmo")
    with pytest.raises(UsageError, match=r"no 'merk' \(did you mean 'merl'\?\)"):
        make_plan(load_suite("demo"), methods=["merk"])


def test_two_rows_must_differ(tiny_suite):
    more = '\n[[methods]]\nname = "handcrafted"\nlabel = "twin"\n'
    tiny_suite.write_text(tiny_suite.read_text() + more)
    with pytest.raises(UsageError, match="'handcrafted' and 'twin' ask the same question"):
        make_plan(load_suite(str(tiny_suite)))
    tiny_suite.write_text(tiny_suite.read_text().replace('label = "twin"', ""))
    with pytest.raises(UsageError, match="two methods share the row 'handcrafted'"):
        load_suite(str(tiny_suite))


def test_overrides_reach_their_place(tiny_suite):
    options = {
        "methods.merl.config.width": 16,
        "methods.merl.pretrain.epochs": 1,
        "tasks.linear_probe.config.seed": [7],
    }
    suite = load_suite(str(tiny_suite), options)
    assert suite.methods[2].config["width"] == 16 and suite.methods[2].pretrain["epochs"] == 1
    assert suite.tasks[0].config["seed"] == [7]
    for key in ("methods.merk.config.width", "method.merl.config.width", "title.x.y", "methods.merl"):
        with pytest.raises(UsageError, match="--set"):
            load_suite(str(tiny_suite), {key: 1})


def test_missing_weights_and_impossible_pretraining(tiny_suite, tmp_path):
    path = edited(tiny_suite, ('name = "handcrafted"', f'name = "handcrafted"\nweights = "{tmp_path}/none.pth"'))
    with pytest.raises(MissingError, match=r"weights of handcrafted are missing: .*none.pth"):
        make_plan(load_suite(path))
    path = edited(tiny_suite, (f'\nweights = "{tmp_path}/none.pth"', '\npretrain = { dataset = "synthetic" }'))
    with pytest.raises(UsageError, match="handcrafted cannot be pre-trained"):
        make_plan(load_suite(path))


def test_defaults_do_not_enter_keys(tiny_suite):
    before = {cell.spec.key for cell in make_plan(load_suite(str(tiny_suite))).cells}
    same = edited(tiny_suite, ("config = { patients = 120 }", "config = { patients = 120, seed = 0, seconds = 10.0 }"))
    assert {cell.spec.key for cell in make_plan(load_suite(same)).cells} == before


def test_every_block_is_checked_whatever_is_wrong_with_the_others(tiny_suite):
    path = edited(
        tiny_suite,
        ("patients = 120", 'patients = "many"'),
        ("trials = 3", 'trials = [3, "few"], epochs = []'),
        ("width = 8, rate = 100.0 }", 'width = 8.5, scaling = "milivolt" }'),
        ('text_model = "small"', 'text_model = 5, freeze_text = "no"'),
        ("epochs = 2", "epochs = 0\nlr = nan"),
    )
    with pytest.raises(UsageError) as error:
        load_suite(path)
    assert "methods.2.pretrain.lr: nan is no finite number" in str(error.value)
    path = edited(tiny_suite, ("\nlr = nan", ""))
    with pytest.raises(UsageError) as error:
        make_plan(load_suite(path))
    for part in (
        "dataset synthetic: patients must be a whole number, it is 'many'",
        "task linear_probe has no field 'epochs'",
        "task linear_probe: trials must be a whole number, it is 'few'",
        "method random_init: width must be a whole number, it is 8.5",
        "method random_init: scaling must be 'millivolt' or",
        "method merl: text_model must be a text or none, it is 5",
        "method merl: freeze_text must be true or false or none, it is 'no'",
        "epochs is 0, it must be at least 1",
    ):
        assert part in str(error.value), part


@pytest.mark.parametrize(
    "pair, text",
    [
        ("methods.merl.config.width=nan", "nan is no finite number"),
        ("methods.merl.config.width=" + "9" * 5000, "a whole number of more than 64 bits"),
        ("methods.merl.config.width=" + "9" * 30, "a whole number of more than 64 bits"),
        ("methods.merl.config.width=" + "[" * 3000, "nested too deeply"),
        ("methods.merl.config.width=" + "[" * 30 + "]" * 30, "nested too deeply"),
        ("title=2020-01-01", "2020-01-01 is a date; put it into quotes"),
        ("title=\udcff", "a byte that is no UTF-8"),
        ("=3", "not of the form key=value"),
        ("name=../../x", "files are named after it"),
    ],
)
def test_what_no_option_can_be_is_one_message(tiny_suite, home, capsys, pair, text):
    assert main(["plan", str(tiny_suite), "--set", pair, "--set", "version=2"]) == 2
    error = capsys.readouterr().err
    assert text in error and "Traceback" not in error and len(error) < 1000


def test_a_value_may_hold_a_line_break_and_sets_no_other_key():
    assert parse_assignments(["about=1\ntitle = 2"]) == {"about": "1\ntitle = 2"}


@pytest.mark.parametrize(
    "text", ["name = 1\n[[[", 'name = "\\ud800"', "a = " + "[" * 3000, "a = " + "9" * 5000, "\xff"]
)
def test_a_file_that_is_no_suite_is_one_message(tmp_path, home, capsys, text):
    path = tmp_path / "s.toml"
    path.write_bytes(text.encode("latin-1"))
    for command in (["plan", str(path)], ["show", str(path), "--json"]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert str(path) in error and "Traceback" not in error


@pytest.mark.parametrize("label", ["handcrafted\u200b", "by  hand"])
def test_rows_that_no_reader_can_tell_apart_are_refused(tiny_suite, label):
    other = 'name = "handcrafted"\nlabel = "by hand"' if "by" in label else 'name = "handcrafted"'
    rows = f'{other}\n[[methods]]\nname = "handcrafted"\nconfig = {{ rate = 100 }}\nlabel = "{label}"'
    with pytest.raises(UsageError, match="look the same"):
        load_suite(edited(tiny_suite, ('name = "handcrafted"', rows)))


def test_a_row_that_is_called_like_a_baseline_of_a_task_is_refused(tiny_suite):
    """Both were one row, whose number was the mean over two methods."""
    task = 'name = "report_generation"\nconfig = { generator = "nearest" }\n[[tasks]]\nname = "zero_shot"'
    label = ('name = "handcrafted"', 'name = "handcrafted"\nlabel = "random_report"')
    path = edited(tiny_suite, ('"groups"', '"groups", "reports"'), ('name = "zero_shot"', task), label)
    with pytest.raises(
        UsageError, match=r"the row 'random_report' \(handcrafted\) is called like a baseline of a task"
    ):
        make_plan(load_suite(path))
