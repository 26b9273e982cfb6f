"""From the command line to sbatch and back, with SLURM's commands pretended."""

import json
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from slurm import queue
from slurm.states import standings

SUITE = """
name = "s"
title = "S"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 60 }
[[tasks]]
name = "chore"
config = { seed = [0, 1, 2, 3, 4, 5, 6, 7] }
[[methods]]
name = "plain"
"""


@pytest.fixture
def suite(chores, home, pretended):
    path = chores / "s.toml"
    path.write_text(SUITE)
    return str(path)


def slurm(suite, *more):
    options = ["--executor", "slurm", "--resource", "limits.cells_per_job=2", "-q"]
    return main(["run", suite, *options, *more])


def calls(pretended, name):
    return [line for line in (pretended / "calls").read_text().splitlines() if line.startswith(name)]


def test_a_run_is_submitted_in_two_arrays_and_runs_its_own_copy_of_the_code(suite, home, pretended, capsys):
    assert slurm(suite) == 0
    first, second = (pretended / "1.sh").read_text(), (pretended / "2.sh").read_text()
    assert "--gpus-per-node=1" in first and "--array" not in first
    assert "--array=0-3%4" in second and "--dependency=afterany:1" in second and "--gpus" not in second
    assert "--signal=USR2@120" in second and "export HF_HUB_OFFLINE=1" in second
    (code,) = (home.slurm / "code").iterdir()
    assert f"export PYTHONPATH={code}" in second and "export PYTHONSAFEPATH=1" in second
    assert (code / "benchmark" / "api.py").is_file() and (code / "tasks" / "suites").is_dir()
    (folder,) = (home.slurm / "submissions").iterdir()
    content = json.loads((folder / "submission.json").read_text())
    assert content["code"]["git"] and content["code"]["dirty"] is not None and content["code"]["snapshot"] == str(code)
    assert json.loads((folder / "jobs.json").read_text()) == {"0": "1", "1": "2_0", "2": "2_1", "3": "2_2", "4": "2_3"}
    assert "submitted 8 cells as 5 jobs (1 features, 4 probe) in 2 calls of sbatch" in capsys.readouterr().err


def test_a_per_cent_sign_in_the_home_stays_one(suite, pretended, tmp_path):
    """sbatch and srun would take it for a placeholder, and Submitit does so with %j and %t."""
    home = Home(tmp_path / "100%trust %j 'of'")
    assert slurm(suite, "--home", str(home.root)) == 0
    (folder,) = (home.slurm / "submissions").iterdir()
    for number in (1, 2):
        script = (pretended / f"{number}.sh").read_text()
        lines = [line for line in script.splitlines() if "put" in line or "error" in line]
        whole = str(folder / "logs").replace("%", "%%").replace("'", "'\"'\"'")
        assert len(lines) == 3 and all(whole in line for line in lines)
        assert sum(line.count(f"{whole}/%") for line in lines) == 4
    pickles = {path.name for path in (folder / "logs").glob("*.pkl")}
    assert {"1_submitted.pkl", "2_0_submitted.pkl", "2_3_submitted.pkl"} <= pickles


def test_a_home_whose_path_sbatch_cannot_take_is_refused(suite, pretended, tmp_path, capsys):
    assert slurm(suite, "--home", str(tmp_path / "back\\slash")) == 2
    assert "holds a backslash" in capsys.readouterr().err and not list(pretended.glob("*.sh"))


def test_hints_name_the_home_that_was_given(suite, pretended, tmp_path, capsys):
    home = Home(tmp_path / "my home")
    assert slurm(suite, "--home", str(home.root)) == 0
    assert f"stop with: ecgarena cancel --home '{home.root}'\n" in capsys.readouterr().err
    assert main(["status", suite, "--submitted", "--home", str(home.root)]) == 4
    assert f"run them again with: ecgarena retry {suite} --home '{home.root}'" in capsys.readouterr().out


def test_a_dry_run_shows_the_scripts_and_does_nothing(suite, home, pretended, capsys):
    assert slurm(suite, "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.count("#!/bin/bash") == 2 and "#SBATCH --time=120" in out
    assert not home.slurm.exists() and not home.data.exists() and not (pretended / "calls").exists()


def test_a_look_at_the_queue_costs_one_query(suite, home, pretended, capsys):
    slurm(suite)
    (pretended / "queue").write_text("1|RUNNING|None\n2_[0-2%4]|PENDING|Dependency\n")
    before = len(calls(pretended, "squeue"))
    main(["status"])
    assert len(calls(pretended, "squeue")) == before + 1
    states = [standing.state for standing in standings(home, jobs=queue.queue())]
    assert sorted(states) == ["lost"] * 1 + ["queued"] * 6 + ["running"]
    capsys.readouterr()
    assert main(["status", str(suite)]) == 4
    heads, row = (line.split() for line in capsys.readouterr().out.splitlines()[:2])
    assert dict(zip(heads, row, strict=True)) | {"done": "0", "running": "1", "queued": "6", "failed": "0"} == dict(
        zip(heads, row, strict=True)
    )
    slurm(suite)  # only what the queue does not know
    err = capsys.readouterr().err
    assert "7 under way on the cluster, 1 to run" in err


def test_the_queue_may_fill_up_in_the_middle(suite, home, pretended, capsys):
    (pretended / "full").write_text("1")
    assert slurm(suite) == 0
    err = capsys.readouterr().err
    assert "takes no more jobs now" in err and "submitted 1 cells as 1 jobs" in err


def test_without_a_scheduler_the_disk_tells(suite, home, pretended, capsys, monkeypatch):
    slurm(suite)
    (folder,) = (home.slurm / "submissions").iterdir()
    (folder / "journal" / "00001.jsonl").write_text('{"what": "start", "job": "2_0"}\n')
    (pretended / "down").touch()
    monkeypatch.setattr("slurm.queue.time.sleep", lambda _: None)
    assert main(["status", "--patience", "0.5"]) == 4
    output = capsys.readouterr()
    assert "the scheduler does not answer" in output.err and "from the disk alone" in output.err
    row = next(line for line in output.out.splitlines() if line.startswith("plain")).split()
    assert row[2:] == ["0", "0", "2", "6", "0"]  # done, failed, running, queued, lost


def test_cancel_ends_what_is_queued_in_one_call(suite, home, pretended, capsys):
    slurm(suite)
    (pretended / "queue").write_text("2_[1-3]|PENDING|Resources\n99|RUNNING|None\n")
    assert main(["cancel"]) == 0
    assert calls(pretended, "scancel") == ["scancel 2_1 2_2 2_3"] and "cancelled 3 jobs" in capsys.readouterr().out


def test_a_busy_controller_is_waited_for_and_then_given_up(pretended):
    (pretended / "down").touch()
    output, waits = [], []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            (pretended / "down").unlink()

    assert queue.ask(["squeue"], 60, output.append, wait) == ""
    assert waits == [1, 2, 4] and "waiting 4 s" in output[-1]
    (pretended / "down").touch()
    with pytest.raises(queue.SchedulerBusyError) as error:
        queue.ask(["squeue"], 2, output.append, lambda _: None)
    assert error.value.exit_code == 75
    with pytest.raises(BenchmarkError, match="is not on this machine"):
        queue.ask(["no_such_command"])


def test_ranges_of_arrays():
    assert list(queue.expand("7_[0,3-5%2]")) == ["7_0", "7_3", "7_4", "7_5"]
    assert list(queue.expand("7_[0-6:3]")) == ["7_0", "7_3", "7_6"]
    assert list(queue.expand("7_2")) == ["7_2"] and list(queue.expand("7")) == ["7"]


def test_options_of_another_executor_are_refused(suite, capsys):
    assert main(["run", suite, "--profile", "cpu", "--wait"]) == 2
    err = capsys.readouterr().err
    assert "--profile is for --executor slurm" in err and "--wait is for" in err


def test_cost_names_hours_defaults_and_licences(suite, capsys):
    assert main(["plan", suite, "--cost"]) == 0
    out = capsys.readouterr().out
    assert "features" in out and "that of 8 from defaults" in out and "licence: method plain" in out
    assert main(["plan", "ptbxl", "--cost", "--json", "--methods", "handcrafted"]) == 5
    assert "ptbxl is not prepared" in json.loads(capsys.readouterr().out)["missing"][0]


def test_retry_needs_nothing_but_what_lies_on_disk(suite, home, pretended, capsys):
    slurm(suite)
    Path(suite).unlink()
    capsys.readouterr()
    assert main(["retry", "--mem", "x2"]) == 0  # the queue is empty: all are lost
    assert "submitted 8 cells" in capsys.readouterr().err
    assert "--mem=32768M" in (pretended / "3.sh").read_text()
    assert main(["retry", "--mem", "lots"]) == 2
    assert len(list((Home(home.root).slurm / "submissions").iterdir())) == 2
