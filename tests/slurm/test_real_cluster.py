"""A grid on a real SLURM: packed, split, preempted, broken on purpose, watched, retried; and what Inline makes of it.

The jobs of all scenarios run at the same time; the tests then look at what they left.
"""

import json
import re
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

GRID = """
name = "grid"
title = "Two hundred small cells, three of them bad"
version = "1.0"

[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = {{ patients = 60 }}

[[tasks]]
name = "chore"
config = {{ seed = {seeds} }}

[[tasks]]
name = "chore"
config = {{ does = ["raise", "hang"] }}

[[tasks]]
name = "chore"
config = {{ megabytes = 900 }}

[[methods]]
name = "plain"
"""
LEARNERS = """
name = "learners"
title = "Pre-trained and interrupted"
version = "1.0"

[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 60 }

[[tasks]]
name = "chore"
config = { seed = [0, 1] }
"""
LEARNER = """
[[methods]]
name = "slow"
label = "{row}"
config = {{ nap = {nap} }}
[methods.pretrain]
dataset = "synthetic"
epochs = {epochs}
batch_size = 16
"""
ROWS = {"timed": (0.6, 28), "signalled": (0.3, 28), "pair": (0.02, 3)}  # seconds per step, epochs of five steps
PROFILE = """
[limits]
cells_per_job = 25
max_requeues = 9

[all]
cpus = 1
memory = "1000M"
time = 60
signal_seconds = 60
cell_minutes = 0.25

[methods.timed.pretrain]
time = 2
signal_seconds = 40

[methods.pair.pretrain]
nodes = 2
"""


def until(condition, seconds, events):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {events}"
        time.sleep(0.3)
    return result


def idle(cluster):
    """Whether the queue is empty, and stays so: a controller that was just started shows none of its jobs yet."""
    for _ in range(4):
        if cluster.ask("squeue", "-h").strip():
            return False
        time.sleep(0.7)
    return True


def records(home):
    content = [json.loads(path.read_text()) for path in Path(home).glob("records/*/*/*/record.json")]
    return {record["key"]: record for record in content}


def submission(home):
    """The newest one, and its folder."""
    folder = max((Path(home) / "slurm" / "submissions").iterdir())
    return json.loads((folder / "submission.json").read_text()), folder


def journal(folder, number):
    path = folder / "journal" / f"{number:05d}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def swept(cluster, tmp_path_factory):
    """Both grids on the cluster, with everything done to them that a bad day brings; and both by Inline."""
    folder = tmp_path_factory.mktemp("swept")
    files = {
        name: folder / name for name in ("grid.toml", "learners.toml", "profile.toml", "grid", "learners", "inline")
    }
    files["grid.toml"].write_text(GRID.format(seeds=list(range(197))))
    learners = (LEARNER.format(row=row, nap=nap, epochs=epochs) for row, (nap, epochs) in ROWS.items())
    files["learners.toml"].write_text(LEARNERS + "".join(learners))
    files["profile.toml"].write_text(PROFILE)
    slurm = ("--executor", "slurm", "--profile", str(files["profile.toml"]), "-q")
    home = {name: ("--home", str(files[name])) for name in ("grid", "learners", "inline")}
    inline = [
        cluster.start_ecgarena("run", str(files["learners.toml"]), "--methods", row, *home["inline"], "-q")
        for row in ("timed", "signalled")
    ]
    cluster.ecgarena("run", str(files["learners.toml"]), *slurm, *home["learners"], code=0)
    grid = cluster.start_ecgarena("run", str(files["grid.toml"]), *slurm, *home["grid"])
    content, learning = submission(files["learners"])
    jobs = json.loads((learning / "jobs.json").read_text())
    by_row = {unit["title"].split()[-1]: unit["number"] for unit in content["units"] if unit["stage"] == "pretrain"}
    log = learning / "logs" / f"{jobs[str(by_row['signalled'])]}_0_log.out"
    until(lambda: log.exists() and "epoch 3" in log.read_text(), 90, "three epochs")
    cluster.ask("scancel", "--signal=USR2", jobs[str(by_row["signalled"])])
    messages = grid.communicate(timeout=90)[1]
    again = cluster.ecgarena("run", str(files["grid.toml"]), *slurm, *home["grid"], code=0).stderr
    until(lambda: len(records(files["grid"])) > 20, 60, "the first cells")
    cluster.down("slurmd-n1")
    cluster.down("slurmctld")
    status = cluster.start_ecgarena("status", *home["grid"], "--patience", "60")
    saw = [status.stderr.readline()]
    cluster.up("slurmctld")
    cluster.up("slurmd-n1")
    out, error = status.communicate(timeout=60)
    until(lambda: idle(cluster), 240, "the end of all jobs")
    for process in inline:
        process.communicate(timeout=150)
    return {
        **files,
        "told": messages,
        "again": again,
        "status": (out, saw[0] + error),
        "jobs": jobs,
        "by_row": by_row,
        "learning": learning,
    }


def test_cells_are_packed_and_arrays_split(swept):
    content, folder = submission(swept["grid"])
    stages = [unit["stage"] for unit in content["units"]]
    assert stages == ["features"] + ["probe"] * 8 and max(len(unit["cells"]) for unit in content["units"]) == 25
    arrays = [job.partition("_")[0] for job in json.loads((folder / "jobs.json").read_text()).values()]
    assert [arrays.count(array) for array in dict.fromkeys(arrays)] == [1, 4, 4]  # MaxArraySize is 4
    assert "200 cells as 9 jobs" in swept["told"] and "ecgarena status --watch" in swept["told"]


def test_what_is_under_way_is_not_submitted_twice(swept):
    assert re.search(r"1?\d\d under way on the cluster, 0 to run|200 under way", swept["again"]), swept["again"]
    assert len(list((swept["grid"] / "slurm" / "submissions").iterdir())) == 1


def test_three_bad_cells_fail_and_197_finish(swept):
    stored_records = records(swept["grid"])
    failures = {record["error"]["kind"] for record in stored_records.values() if record["status"] == "failed"}
    assert len(stored_records) == 200 and failures == {"RuntimeError", "OutOfMemory", "Timeout"}
    assert sum(record["status"] == "done" for record in stored_records.values()) == 197


def test_status_waits_for_the_controller_and_says_so(swept):
    out, error = swept["status"]
    assert "the scheduler does not answer" in error and "waiting 1 s" in error
    assert "plain" in out and "running" in out


def test_records_equal_those_of_the_inline_executor(cluster, swept, tmp_path):
    """The features of a recording do not depend on where they are computed, so the numbers are equal to the bit."""
    suite = tmp_path / "grid.toml"
    suite.write_text(
        GRID.format(seeds=list(range(197))).replace('["raise", "hang"]', '["nothing"]').replace("900", "1")
    )
    cluster.ecgarena("run", str(suite), "--home", str(tmp_path / "home"), "-q", code=0)
    expected, stored_records = records(tmp_path / "home"), records(swept["grid"])
    same = {key for key in expected if key in stored_records and stored_records[key]["status"] == "done"}
    assert len(same) == 197
    for key in same:
        for field in ("metrics", "question", "spec", "data_digest", "n", "predictions", "config", "notes", "leak"):
            assert stored_records[key][field] == expected[key][field], (field, key)
    assert {record["details"]["code"] for record in stored_records.values() if record["status"] == "done"} == {
        submission(swept["grid"])[0]["code"]["snapshot"]  # not the tree that may change meanwhile
    }
    code = submission(swept["grid"])[0]["code"]  # of the submission: the snapshot has no repository to ask
    assert {record["provenance"]["code"]["git"] for record in stored_records.values()} == {code["git"]} and code["git"]
    assert all(record["provenance"]["code"]["dirty"] == code["dirty"] for record in stored_records.values())


@pytest.mark.parametrize("row", ["timed", "signalled"])
def test_an_interrupted_training_goes_on_to_the_same_numbers(swept, row):
    """By its time limit or by a signal: requeued by itself, and its weights are those of an undisturbed run."""
    events = [line["what"] for line in journal(swept["learning"], swept["by_row"][row])]
    assert events.count("start") >= 2 and events.count("requeue") >= 1 and events[-1] == "end", events
    log = (swept["learning"] / "logs" / f"{swept['jobs'][str(swept['by_row'][row])]}_0_log.out").read_text()
    assert "resuming after epoch" in log
    stored_records, expected = records(swept["learners"]), records(swept["inline"])
    comparison = [key for key, record in expected.items() if record["spec"]["method_config"] == {"nap": ROWS[row][0]}]
    assert len(comparison) == 2
    for key in comparison:
        assert stored_records[key]["status"] == "done" and stored_records[key]["metrics"] == expected[key]["metrics"]
    cards = {
        home: [json.loads(path.read_text()) for path in (swept[home] / "pretrained").glob("*/card.json")]
        for home in ("learners", "inline")
    }
    (one,), (other,) = (
        [card["sha256"] for card in stored_records if card["config"] == {"nap": ROWS[row][0]}]
        for stored_records in cards.values()
    )
    assert one == other


def test_two_nodes_train_together(swept):
    cards = [json.loads(path.read_text()) for path in (swept["learners"] / "pretrained").glob("*/card.json")]
    assert {card["config"]["nap"]: card["processes"] for card in cards}[ROWS["pair"][0]] == 2
    pair = [record for record in records(swept["learners"]).values() if record["spec"]["method_config"]["nap"] == 0.02]
    assert len(pair) == 2 and all(record["status"] == "done" for record in pair)


def test_logs_of_a_cell(cluster, swept):
    home = ("--home", str(swept["grid"]))
    output = cluster.ecgarena("logs", "does=raise", *home, code=0).stdout
    assert "a chore that raises" in output and "begin  plain chore" in output
    error = cluster.ecgarena("logs", "seed=7", *home, code=2).stderr
    assert "fits 11 cells" in error  # 7, and 70 to 79


def test_the_doctor_looks_from_a_job(cluster, swept):
    """One machine plays login node and compute nodes, so all that must be shared is shared."""
    home = ("--home", str(swept["grid"]))
    done = cluster.ecgarena("doctor", "--profile", str(swept["profile.toml"]), *home)
    for sight in (
        "ok    the home is shared",
        "ok    clocks agree",
        "ok    a lock held here is held there",
        "ok    the same libraries",
    ):
        assert sight in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0 and "nothing is wrong" in done.stdout
    error = cluster.ecgarena(
        "doctor", "--profile", str(swept["profile.toml"]), "--resource", "partition=mian", *home, code=5
    )
    assert "the cluster has main" in error.stdout


def test_retry_reruns_three(cluster, swept):
    home, untouched = ("--home", str(swept["grid"])), records(swept["grid"])
    (cluster.plugin / "cured").touch()
    try:
        by_memory = cluster.ecgarena("retry", "--oom", "--mem", "x2", *home, code=0).stderr
        assert "submitted 1 cells" in by_memory
        rest = cluster.ecgarena("retry", *home, code=0).stderr
        assert "submitted 2 cells" in rest, rest
        until(lambda: idle(cluster), 60, "the end of the retries")
    finally:
        (cluster.plugin / "cured").unlink()
    stored_records = records(swept["grid"])
    assert len(stored_records) == 200 and all(record["status"] == "done" for record in stored_records.values())
    variant = [key for key in stored_records if stored_records[key] != untouched[key]]
    assert len(variant) == 3
    assert "there is nothing to run again" in cluster.ecgarena("retry", *home, code=0).stdout
    assert cluster.ecgarena("status", *home, code=0).stdout.count("200") >= 2
