"""The scripts in tests/speed: each is collected or listed with a reason, and checks what its figures divide by."""

import argparse
import ast
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.testing import write_mimic_iv_ecg

SPEED = Path(__file__).parent / "speed"
OPTIONS = argparse.Namespace(only=None, limit=60.0)


@pytest.fixture
def script(monkeypatch):
    """Import a module of tests/speed, which is no package."""
    monkeypatch.syspath_prepend(SPEED)

    def load(name: str):
        spec = importlib.util.spec_from_file_location(f"speed_{name}", SPEED / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


def calls(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.func.id for node in tree if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def test_every_script_is_collected_or_listed_with_a_reason(script):
    collect = script("collect")
    unknown = set(collect.scripts()) - set(collect.QUICK) - set(collect.NOT_RUN)
    assert not unknown, f"give these a quick size or a reason in tests/speed/collect.py: {sorted(unknown)}"
    assert not set(collect.QUICK) & set(collect.NOT_RUN) and set(collect.QUICK) <= set(collect.scripts())


def test_every_collected_script_shows_rows_and_checks_them(script):
    for name in script("collect").QUICK:
        functions = calls(SPEED / f"{name}.py")
        assert functions & {"show", "show_row"} and "check_count" in functions, name


def test_a_script_that_nobody_named_is_reported(script, monkeypatch, tmp_path):
    collect = script("collect")
    (tmp_path / "new.py").write_text("")
    monkeypatch.setattr(collect, "FOLDER", tmp_path)
    (result,) = [collect.result(name, OPTIONS) for name in collect.scripts()]
    assert result.script == "new" and not result.rows and not result.expected
    assert "| `new.py` | is not named in" in "\n".join(collect.page([result], "a machine"))


@pytest.mark.parametrize(
    "text, reason",
    [
        ("raise SystemExit('3 instead of 4')", "failed: 3 instead of 4"),
        ("print('a figure that is not shown')", "showed no figure"),
        ("import time; time.sleep(60)", "took longer than 1 s"),
    ],
)
def test_a_script_without_figures_has_its_reason_in_the_table(script, monkeypatch, tmp_path, text, reason):
    collect = script("collect")
    (tmp_path / "one.py").write_text(text)
    monkeypatch.setattr(collect, "FOLDER", tmp_path)
    result = collect.run("one", [], 1.0 if "sleep" in text else 60.0)
    assert result.reason == reason and not result.expected


def test_a_script_at_its_limit_removes_its_temporary_files(script, monkeypatch, tmp_path):
    collect = script("collect")
    left = tmp_path / "left"
    left.mkdir()
    (tmp_path / "one.py").write_text(
        f"import tempfile, time\nwith tempfile.TemporaryDirectory(dir={str(left)!r}):\n    time.sleep(60)"
    )
    monkeypatch.setattr(collect, "FOLDER", tmp_path)
    assert collect.run("one", [], 0.5).reason.startswith("took longer")
    assert not list(left.iterdir())


def test_the_code_of_another_commit_is_no_worktree_that_could_stay_registered(script, tmp_path):
    training = script("compact_training")
    if not (training.ROOT / ".git").exists():
        pytest.skip("needs the history of the repository")
    folder = training.code_of("HEAD", tmp_path / "other")
    assert (folder / "benchmark/api.py").is_file() and (folder / training.SUITE).is_file()
    trees = subprocess.run(["git", "-C", training.ROOT, "worktree", "list"], stdout=subprocess.PIPE, text=True).stdout
    assert str(tmp_path) not in trees


def test_rows_shown_before_a_failure_stay_and_the_reason_too(script, monkeypatch, tmp_path):
    collect = script("collect")
    row = {"work": "a", "cost": "b", "otherwise": "", "ratio": ""}
    write = f"open(os.environ[{collect.ROWS_FILE!r}], 'w').write({json.dumps(row)!r})"
    (tmp_path / "one.py").write_text(f"import os\n{write}\nraise SystemExit('no')")
    monkeypatch.setattr(collect, "FOLDER", tmp_path)
    result = collect.run("one", [], 60.0)
    assert result.rows == (row,) and result.reason == "failed: no, after the rows above" and not result.expected


def test_rows_reach_the_table(script, monkeypatch, tmp_path):
    collect, figures = script("collect"), script("figures")
    monkeypatch.setenv(figures.ROWS_FILE, str(tmp_path / "rows"))
    figures.show("some work", "2 s", "a loop 6 s", "3.0")
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    lines = list(collect.page([collect.Result("one", tuple(rows))], "a machine"))
    assert "| `one.py` | some work | 2 s | a loop 6 s | 3.0 |" in lines and "a machine" in lines


@pytest.mark.parametrize("pair", [(1.0, 0.0), (0.0, 1.0), (math.nan, 1.0), (1.0, math.inf), (-1.0, 1.0)])
def test_a_ratio_of_nothing_is_refused(script, pair):
    with pytest.raises(SystemExit, match="no measurement"):
        script("figures").ratio(*pair)


@pytest.mark.parametrize("pair", [(1, 2), (0, 0)])
def test_a_figure_of_other_work_than_was_done_is_refused(script, pair):
    with pytest.raises(SystemExit, match="no measurement"):
        script("figures").check_count("recordings", *pair)


@pytest.mark.parametrize("difference", [0.2, math.nan])
def test_sides_that_did_not_do_the_same_are_refused(script, difference):
    with pytest.raises(SystemExit, match="did not do the same"):
        script("figures").check_close("features", difference, 0.1)


def test_the_machine_is_named(script):
    about = script("figures").machine()
    assert about["processor"] and about["cores"] and about["commit"] and about["date"]


def test_the_recordings_of_a_made_up_mimic_are_all_counted(script, tmp_path):
    """Its signals lie in linked folders, which a search for files does not enter under Python before 3.13."""
    write_mimic_iv_ecg(tmp_path, patients=5, samples=20, odd=False, same_signal=True)
    count = len((tmp_path / "record_list.csv").read_text().splitlines()) - 1
    assert len(script("data").recordings_of(tmp_path)) == count > 1
