"""What runs inside a job, without a scheduler: the supervisor and its workers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import slurm.supervision
from benchmark.data.store.preparation import prepare
from benchmark.errors import DiskError
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.index import read_index
from slurm.submission import SubmittedCell, SubmittedUnit, new_folder, write_submission
from slurm.supervision import Supervisor
from slurm.work import Work

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = """
name = "s"
title = "S"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 60 }
[[methods]]
name = "plain"
"""


WORKER = """
import json, pathlib, signal, sys, time
asked = []
signal.signal(signal.SIGUSR2, lambda *_: asked.append(1))
request = json.loads(pathlib.Path(sys.argv[1]).read_text())
keys = json.loads(pathlib.Path({keys!r}).read_text())
for cell in (cell for group in request["groups"] for cell in group):
    if asked:
        sys.exit(75)
    spec, does = cell["spec"], cell["spec"]["task_config"]
    key = keys[json.dumps(spec, sort_keys=True)]
    print(json.dumps({{"kind": "begin", "text": key, "status": key}}), flush=True)
    if does.get("does") == "hang":
        time.sleep(1e6)
    if does.get("does") == "sleep":
        until = time.monotonic() + does["seed"]
        while time.monotonic() < until:
            time.sleep(0.01)
    if does.get("does") == "die":
        sys.exit("no more")
    ballast = bytearray(does.get("megabytes", 0) << 20)
    time.sleep(30 if ballast else 0)
    status = "failed" if does.get("does") == "raise" else "done"
    record = {{"key": key, "spec": spec, "question": {{}}, "status": status}}
    folder = pathlib.Path(request["home"]) / "records" / spec["task"] / spec["method"] / key
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record))
    print(json.dumps({{"kind": "cell", "text": key, "status": record["status"]}}), flush=True)
"""


@pytest.fixture
def unit(chores, home, monkeypatch):
    """Makes a submission of one unit out of tables of tasks; its worker is a pretended one, without torch."""

    def make(*tasks, cell_minutes=None):
        path = chores / "s.toml"
        path.write_text(SUITE + "".join(f'[[tasks]]\nname = "chore"\nconfig = {task}\n' for task in tasks))
        (group,) = group_cells(make_plan(load_suite(str(path))).cells)
        keys = [cell.spec.key for cell in group.cells]
        cells = [SubmittedCell(c.spec.key, c.row, c.spec.method, c.spec.task, c.title, 0) for c in group.cells]
        request = {
            "stage": "probe",
            "home": str(home.root),
            "device": "cpu",
            "threads": 1,
            "cell_minutes": cell_minutes,
            "grace": 20.0,
            "checkpoint_every": 600.0,
            "recipe": None,
            "keys": keys,
            "groups": [[{"key": cell.spec.key, "cell": cell.to_json()} for cell in group.cells]],
        }
        about = {"suite": "s", "profile": {}}
        summary = [SubmittedUnit(0, "probe", "probe plain", keys, [], 60.0, 60, "1G")]
        keys = {json.dumps(cell.spec.to_json(), sort_keys=True): cell.spec.key for cell in group.cells}
        (chores / "keys.json").write_text(json.dumps(keys))
        (chores / "worker.py").write_text(WORKER.format(keys=str(chores / "keys.json")))
        monkeypatch.setattr("slurm.supervision.WORKER", (str(chores / "worker.py"),))
        return write_submission(new_folder(home, "s"), about, summary, cells, [request])

    return make


def by_kind(home):
    result = {}
    for entry in read_index(home).values():
        result.setdefault(entry.kind or entry.status, []).append(entry)
    return {kind: len(entries) for kind, entries in result.items()}


def test_one_that_raises_one_that_swells_one_that_hangs_and_the_rest(unit, home, monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "300")
    tasks = ("{ seed = [0, 1] }", '{ does = ["raise", "hang", "die"] }', "{ megabytes = 300 }", "{ seed = [2, 3] }")
    submission = unit(*tasks, cell_minutes=0.05)
    Supervisor(submission, 0).run()
    assert by_kind(home) == {"done": 4, "failed": 1, "OutOfMemory": 1, "Timeout": 1, "WorkerDied": 1}
    messages = {entry.kind: entry.message for entry in read_index(home).values() if entry.kind}
    assert "the job has 300 MB" in messages["OutOfMemory"] and "longer than 0.05 minutes" in messages["Timeout"]
    assert messages["WorkerDied"] == "the worker ended with exit code 1"
    events = [line["what"] for line in submission.journal(0)]
    assert events.count("begin") == 8 and events.count("cell") == 8


def test_a_method_that_kills_every_worker_is_given_up(unit, home, monkeypatch):
    submission = unit("{ seed = [0, 1, 2, 3, 4, 5] }")
    script = Path(slurm.supervision.WORKER[0])
    script.write_text("import sys; sys.exit(1)")
    Supervisor(submission, 0).run()
    assert by_kind(home) == {"WorkerDied": 6}
    assert all("3 workers in a row" in entry.message for entry in read_index(home).values())


def test_a_full_disk_fails_no_cell_and_ends_the_job(unit, home):
    """Its cells can be submitted again once there is room."""
    submission = unit("{ seed = [0, 1] }")
    script = Path(slurm.supervision.WORKER[0])
    script.write_text(
        "import errno, sys; from benchmark.disk import end_worker\n"
        "sys.exit(end_worker(OSError(errno.ENOSPC, 'full', '/x')))"
    )
    with pytest.raises(DiskError, match="/x: the disk is full; make room"):
        Supervisor(submission, 0).run()
    assert by_kind(home) == {}


def test_a_cell_that_was_cut_comes_last(unit):
    submission = unit("{ seed = [0, 1, 2] }")
    supervisor = Supervisor(submission, 0)
    keys = [cell.key for cell in submission.cells]
    assert [[entry["key"] for entry in group] for group in supervisor.left()] == [keys]
    for events in ({"event": "start"}, {"event": "begin", "key": keys[0]}, {"event": "start"}):
        supervisor.write(**events)
    assert [[entry["key"] for entry in group] for group in supervisor.left()] == [keys[1:], keys[:1]]


JOB = """
import pathlib, signal, sys
import slurm.supervision
slurm.supervision.WORKER = (sys.argv[2],)
from slurm.work import Work
work = Work(pathlib.Path(sys.argv[1]), 0)
def handler(*_):  # as Submitit's, but for the scheduler
    work.checkpoint()
    sys.exit(75)
signal.signal(signal.SIGUSR2, handler)
work()
"""


def test_a_stopped_job_goes_on_where_it_was(unit, home):
    """Told to stop while a cell sleeps: the cell ends, the next does not begin; the same job started again finishes."""
    submission = unit('{ seed = [1, 2], does = "sleep" }')
    command = [sys.executable, "-c", JOB, str(submission.folder), *slurm.supervision.WORKER]
    job = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 60
    while not any(line["what"] == "begin" for line in submission.journal(0)):
        assert time.monotonic() < deadline and job.poll() is None
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR2)
    assert job.wait(60) == 75 and by_kind(home) == {"done": 1}
    assert subprocess.run(command, cwd=ROOT, timeout=60).returncode == 0
    events = [line["what"] for line in submission.journal(0)]
    assert events == ["start", "begin", "stopped", "requeue", "stop", "start", "begin", "cell", "end"]
    assert by_kind(home) == {"done": 2}


def test_submitits_local_executor_runs_interrupts_and_requeues_the_work(unit, home, chores, monkeypatch, tmp_path):
    """The same work, its pickle and its real worker under Submitit without a cluster; interrupted in its first cell."""
    import submitit

    submission = unit('{ seed = [1, 2], does = "sleep" }')
    prepare("synthetic", {"patients": 60}, home)
    monkeypatch.chdir(ROOT)
    executor = submitit.LocalExecutor(tmp_path / "submitit", max_num_timeout=2)
    executor.update_parameters(timeout_min=5, signal_delay_s=60)
    job = executor.submit(Work(submission.folder, 0))
    deadline = time.monotonic() + 120
    while not any(line["what"] == "begin" for line in submission.journal(0)):
        assert time.monotonic() < deadline and not job.done(), job.stderr()
        time.sleep(0.05)
    os.kill(submission.journal(0)[0]["pid"], signal.SIGUSR2)  # what its controller does before the time limit
    assert job.result() == {"cells": 2}
    events = [line["what"] for line in submission.journal(0)]
    assert events.count("start") == 2 and events.count("requeue") == 1 and events[-1] == "end"
    assert by_kind(home) == {"done": 2}


def test_a_second_signal_in_the_midst_of_the_first_does_no_harm():
    """Slurm's and the supervisor's come together; a lock in the handler would wait for itself."""
    from benchmark.engine import preemption

    before = signal.signal(signal.SIGUSR2, preemption.ask_to_stop)
    try:
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            os.kill(os.getpid(), signal.SIGUSR2)
            os.kill(os.getpid(), signal.SIGUSR2)
        assert preemption.asked_to_stop()
    finally:
        preemption.go_on()
        signal.signal(signal.SIGUSR2, before)


def test_the_memory_of_a_worker_is_that_of_its_whole_family():
    """What a worker starts (loaders, other interpreters) fills the same job's memory."""
    before = slurm.supervision.resident(os.getpid())
    grandchild = "import sys; held = bytearray(120 << 20); print(flush=True); sys.stdin.read()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as start:
        start.stdout.readline()
        assert len(slurm.supervision.family(os.getpid())) >= 3
        assert slurm.supervision.resident(os.getpid()) > before + 110
        start.stdin.close()
    assert slurm.supervision.resident(start.pid) == 0


def test_the_pickle_says_only_where_the_unit_lies(unit):
    import pickle

    submission = unit("{ seed = [0] }")
    content = pickle.dumps(Work(submission.folder, 0))
    assert len(content) < 500 and pickle.loads(content).folder == str(submission.folder)
    assert json.loads(submission.unit_file(0).read_text())["keys"] == [submission.cells[0].key]
