"""``ecgarena tune`` as a user meets it: what it says before, during and after, and what it refuses."""

import json
import subprocess
import sys

import pytest

from benchmark.cli import main
from benchmark.planning.choice_files import choice_path, read_choices

SUITE = """
name = "fair"
title = "A tuned row"
version = "1.0"
datasets = [{ name = "synthetic", label_sets = ["groups"], config = { patients = 120 } }]
tasks = [{ name = "linear_probe", config = { fraction = 0.1, trials = 1 } }]

[tune]
trials = 2
rungs = [1]
choose = "val_loss"

[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }

[[methods]]
name = "simclr"
label = "tuned"
config = { width = 8, rate = 100.0 }
pretrain = { dataset = "synthetic", steps = 2, batch_size = 32 }
tune.space = { "pretrain.lr" = [1e-3, 1e-2] }
"""


@pytest.fixture
def suite_file(tmp_path):
    path = tmp_path / "fair.toml"
    path.write_text(SUITE, "utf-8")
    return path


def test_a_suite_from_its_budget_to_a_table(suite_file, prepared_home, capsys):
    suite = str(suite_file)
    assert main(["tune", suite, "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "trials: 2 of 1 steps, 2 trainings, 64 recordings; 0 of 2 trainings done" in output
    assert not choice_path(suite_file).exists()

    assert main(["tune", suite, "-q"]) == 0
    output = capsys.readouterr().out
    assert "the row's own values" in output and f"written: {suite_file.with_name('fair.choice.toml')}" in output
    choice = read_choices(choice_path(suite_file))["tuned"]
    assert (choice["trials"], choice["recordings"], choice["chosen_by"]) == (2, 64, "val_loss")

    assert main(["tune", suite, "--dry-run", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["choice"] == choice and [one["state"] for one in row["trials"]].count("finished") == 2
    assert main(["run", suite, "-q"]) == 0
    assert "tuned by 2 trials (2 trainings, 64 recordings)" in capsys.readouterr().out.replace("\n", " ")
    assert main(["plan", suite, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["tuning"][0]["budget"]["recordings"] == 64 and not plan["skipped"]

    assert main(["collect", suite, "--out", str(suite_file.parent / "out")]) == 0
    assert len(list((suite_file.parent / "out" / "tuning").rglob("trial-*.json"))) == 2

    # one changed by --set does not replace the choice
    assert main(["tune", suite, "--set", "tune.trials=1", "-q"]) == 2
    assert "tuned: fair.choice.toml has its choice by another search" in capsys.readouterr().err
    assert main(["run", suite, "--set", "tune.trials=1", "-q"]) == 5
    assert main(["leaderboard", suite, "--set", "tune.trials=1", "--strict"]) == 4
    assert "tuned has no cells: its values were chosen in another search" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, part",
    [
        (["--methods", "random_init"], "'random_init' has no 'tune' table (known: tuned)"),
        (["--methods", "tune"], "the suite has no row 'tune' to tune (did you mean 'tuned'?)"),
        (["--again", "merl"], "no row 'merl' in this call"),
        (["--workers", "0"], "--workers is 0"),
    ],
)
def test_what_it_cannot_do_is_refused(words, part, suite_file, home, capsys):
    assert main(["tune", str(suite_file), *words]) == 2
    assert part in capsys.readouterr().err
    assert not home.tuning.exists()


def test_a_suite_without_tuned_rows_says_so(home, capsys):
    assert main(["tune", "demo"]) == 2
    assert "the suite demo has no row with a 'tune' table" in capsys.readouterr().err


def test_a_launcher_of_several_processes_is_refused(suite_file, home, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["tune", str(suite_file)]) == 2
    assert "use --workers instead" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_share_the_trainings_and_choose_as_one_does(suite_file, prepared_home, tmp_path):
    command = [sys.executable, "-m", "benchmark", "tune", str(suite_file), "--home"]
    contents = set()
    for workers in ("1", "2"):
        root = tmp_path / f"home-{workers}"
        root.mkdir()
        (root / "data").symlink_to(prepared_home.data)
        subprocess.run([*command, str(root), "--workers", workers, "--set", "tune.trials=6"], check=True)
        contents.add(choice_path(suite_file).read_text("utf-8"))
    assert len(contents) == 1
