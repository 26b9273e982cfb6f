"""``tune --executor slurm``: an array of equal jobs that share the trials, and what it refuses."""

import json
import pickle
import re
import time

import pytest

from benchmark.cli import main
from benchmark.planning.suites import load_suite
from benchmark.planning.tuning import tunings
from slurm.estimates import Estimates
from slurm.tuning import TuneJob

SUITE = """
name = "fair"
title = "A tuned row"
version = "1.0"
datasets = [{ name = "synthetic", label_sets = ["groups"], config = { patients = 120 } }]
tasks = [{ name = "linear_probe", config = { fraction = 0.1, trials = 1 } }]

[tune]
trials = 3
rungs = [1, 2]
choose = "val_loss"

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


def test_the_jobs_are_one_array_of_the_same_command(suite_file, prepared_home, pretended, capsys):
    assert main(["tune", str(suite_file), "--executor", "slurm", "--resource", "gpus=0", "--set", "tune.seed=1"]) == 0
    output = capsys.readouterr().out
    assert "submitted 3 jobs that share the trials: 1_0, 1_1, 1_2" in output and "stop with: scancel 1" in output
    script = (pretended / "1.sh").read_text()
    assert "--array=0-2" in script and "slurm.launch" in script and "ecgarena-tune" in script
    pickles = sorted(prepared_home.slurm.glob("tuning/*/*_submitted.pkl"))
    (words,) = {pickle.loads(path.read_bytes()).function.words for path in pickles}  # Submitit's own files
    assert words == ("tune", str(suite_file), "--home", str(prepared_home.root), "--set", "tune.seed=1")
    assert not suite_file.with_name("fair.choice.toml").exists()


def test_a_dry_run_prints_the_script_and_queues_nothing(suite_file, home, pretended, capsys):
    assert main(["tune", str(suite_file), "--executor", "slurm", "--dry-run", "--jobs", "2"]) == 0
    output = capsys.readouterr().out
    assert "# --- 2 jobs: ecgarena tune" in output and "#SBATCH --array=0-1" in output
    assert not (pretended / "calls").exists() and not home.slurm.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--executor", "slurm", "--workers", "2"], "with slurm it is --jobs"),
        (["--executor", "slurm", "--jobs", "0"], "--jobs is 0"),
        (["--executor", "slrum"], "did you mean 'slurm'?"),
        (["--jobs", "2"], "--jobs is for --executor slurm"),
        (["--executor", "slurm", "--resource", "pretrain.tasks=2"], "a trial has one"),
    ],
)
def test_what_does_not_fit_is_refused(words, sentence, suite_file, prepared_home, pretended, capsys):
    assert main(["tune", str(suite_file), *words]) == 2
    assert sentence in capsys.readouterr().err and not (pretended / "calls").exists()


def test_a_job_that_could_not_work_fails(capfd):
    with pytest.raises(Exception, match="ended with exit code 2"):
        TuneJob(["tune", "no-such-suite"], 5.0)()
    assert "no-such-suite" in capfd.readouterr().err


def test_the_cost_of_trials_is_told_until_they_are_finished(suite_file, prepared_home, capsys):
    assert main(["plan", str(suite_file), "--cost", "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    stage = before["stages"][0]
    assert (stage["stage"], stage["jobs"], stage["cells"], before["trials_guessed"]) == ("tune", 3, 4, 4)
    assert main(["tune", str(suite_file), "-q"]) == 0
    capsys.readouterr()
    assert main(["plan", str(suite_file), "--cost", "--json"]) == 0
    assert "tune" not in [stage["stage"] for stage in json.loads(capsys.readouterr().out)["stages"]]


def test_a_trial_takes_what_its_method_took_per_recording_at_another_rate(suite_file, home):
    (row,) = tunings(load_suite(str(suite_file)))
    training = row.training({"pretrain.lr": 1e-2}, 1)  # two steps of 32 recordings
    recipe = {**training.recipe, "training": {"batch_size": 64, "lr": 1e-4}}
    card = {"method": "simclr", "config": training.config, "recipe": recipe, "recordings": 100, "steps": 10}
    (home.pretrained / "simclr-x").mkdir(parents=True)
    (home.pretrained / "simclr-x" / "card.json").write_text(json.dumps({**card, "seconds": 320, "synthetic": True}))
    assert Estimates([], home).trial(training) == (64 * 320 / 640, 1)


@pytest.mark.cluster
def test_two_jobs_of_a_real_cluster_choose_what_one_process_chooses(cluster, suite_file, tmp_path):
    """The choice is the same file, byte by byte, and every trial was trained once."""
    choice = suite_file.with_name("fair.choice.toml")
    cluster.ecgarena("tune", str(suite_file), "--home", str(tmp_path / "inline"), "-q", code=0)
    alone = choice.read_bytes()
    choice.unlink()
    resources = ["--resource", "gpus=0", "--resource", "cpus=1", "--resource", "memory=900M", "--resource", "time=10"]
    done = cluster.ecgarena(
        "tune", str(suite_file), "--home", str(tmp_path / "home"), "--executor", "slurm", "--jobs", "2", *resources,
        code=0,
    )  # fmt: skip
    assert re.search(r"submitted 2 jobs", done.stdout)
    deadline = time.monotonic() + 150
    while not choice.exists() and time.monotonic() < deadline:
        time.sleep(0.3)
    assert choice.read_bytes() == alone
    assert len(list((tmp_path / "home" / "tuning").rglob("trial-*.json"))) == 3
