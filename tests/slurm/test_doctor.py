"""The doctor: facts of a node, what they mean, and the cure beside each fault; SLURM's commands pretended."""

import json
import os
import signal
import time

import pytest
from filelock import FileLock

from benchmark.cli import main
from benchmark.paths import DATA_VARIABLE
from slurm import doctor
from slurm.doctor import Finding, judge, kinds
from slurm.node_check import NodeCheck, gpu, lock_is_free, look, renames
from slurm.profiles import Resources, load_profile


@pytest.fixture
def folder(tmp_path):
    """What the login node makes for a check."""
    product = tmp_path / "doctor"
    product.mkdir()
    (product / "login.txt").write_text("seen from here")
    return product


def facts(folder, **variant):
    """What a healthy node would say, but for `variant`."""
    with FileLock(folder / "held.lock"):
        result = look(folder, wants_gpu=False)
    healthy = {"lock_was_free": False, "java": "/usr/bin/java", "caches": {"HF_HOME": True}}
    return {**result, **healthy, "variables": {"HF_HUB_OFFLINE": "1"}, **variant}


def faults(folder, result, resources=None, received_at=None):
    """The findings that are not good, as (what, warning)."""
    received_at = time.time() if received_at is None else received_at
    findings = judge(result, resources or Resources(), folder, received_at)
    return {finding.name: finding for finding in findings if not finding.good}


def test_a_node_writes_plain_facts(folder):
    with FileLock(folder / "held.lock"):
        NodeCheck(folder, wants_gpu=False)()
    content = json.loads((folder / "node.json").read_text())
    assert content["sees_token"] and all(content["renames"].values()) and "torch_cuda" not in content
    assert content["packages"]["numpy"] and abs(content["file_time"] - content["time"]) < 60


def test_moves_and_locks(folder):
    assert renames(folder) == {"over a file": True, "onto a full folder refused": True}
    assert lock_is_free(folder / "a.lock")
    actual, expected = os.pipe()
    child = os.fork()
    if child == 0:  # a process of its own holds it, as the login node does
        with FileLock(folder / "a.lock"):
            os.write(expected, b"x")
            time.sleep(30)
        os._exit(0)
    os.read(actual, 1)
    assert not lock_is_free(folder / "a.lock")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert lock_is_free(folder / "a.lock")


def test_torch_is_asked_only_where_a_gpu_is_wanted():
    assert gpu(False) == {}
    assert {"torch_cuda", "gpus", "gpu_works"} <= set(gpu(True))


def test_a_healthy_node_has_no_fault(folder):
    assert faults(folder, facts(folder)) == {}


@pytest.mark.parametrize(
    "variant, check, remedy, bad",
    [
        ({"sees_token": False}, "the home is shared", "put ECGARENA_HOME on a shared folder", True),
        ({"lock_was_free": True}, "a lock held here is held there", "results stay whole", False),
        ({"renames": {"over a file": False}}, "rename over a file, from the node", "another file system", True),
        ({"java": None}, "Java is there", "module load", False),
        ({"caches": {"HF_HOME": False}}, "HF_HOME's cache is there", "set HF_HOME", False),
        ({"variables": {}}, "the hub is not asked from a node", "HF_HUB_OFFLINE", False),
    ],
)
def test_each_fault_has_its_cure(folder, variant, check, remedy, bad):
    (finding,) = faults(folder, facts(folder, **variant)).values()
    assert finding.name == check and remedy in finding.remedy and finding.bad is bad


def test_a_clock_that_runs_ahead_and_libraries_that_differ(folder):
    result = facts(folder)
    (clock,) = faults(folder, result, received_at=result["time"] - 3600).values()
    assert "clocks agree" in clock.name and "NTP" in clock.remedy and clock.bad
    result["packages"] = {**result["packages"], "numpy": "0.1"}
    (other,) = faults(folder, result).values()
    assert "numpy 0.1 there" in other.remedy


def test_a_data_folder_that_is_not_mounted_there(folder, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, "/data")
    result = facts(folder, folders={DATA_VARIABLE: False}, variables={DATA_VARIABLE: "/data", "HF_HUB_OFFLINE": "1"})
    (finding,) = faults(folder, result).values()
    assert finding.bad and "/data is not seen: mount it" in finding.remedy


def test_gpus(folder):
    wants = Resources(gpus=1)
    cpu_build = faults(folder, facts(folder, torch_cuda=None, gpus=0, gpu_works=False), wants)
    assert list(cpu_build) == ["torch can use a GPU"]
    none = faults(folder, facts(folder, torch_cuda="12.4", gpus=0, gpu_works=False), wants)
    assert list(none) == ["0 GPUs are visible", "torch computes on a GPU"]
    works = {"torch_cuda": "12.4", "gpus": 1, "gpu_works": True, "gpu": "A"}
    assert faults(folder, facts(folder, **works), wants) == {}


def test_stages_that_ask_for_equal_nodes_are_checked_once():
    result = kinds(load_profile("cpu", []))
    assert len(result) == 1 and "pretrain" in next(iter(result)) and "probe" in next(iter(result))


def test_without_slurm_the_login_node_alone_is_judged(home, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["doctor", "--profile", "cpu"]) == 5
    out = capsys.readouterr().out
    assert "WRONG SLURM's commands are here" in out and "-> sbatch" in out and "a node for" not in out
    assert main(["doctor", "--profile", "cpu", "--json"]) == 5
    content = json.loads(capsys.readouterr().out)
    assert content["wrong"] == 1 and list(content["places"]) == ["here"]
    assert not any((home.slurm / "doctor").iterdir())  # it leaves nothing behind


def test_a_job_that_answers_and_one_that_does_not(home, pretended, monkeypatch, capsys):
    """sinfo names no partition, sbatch takes the job; the node answers in the first part and never in the second."""
    (pretended.parent / "bin" / "sinfo").write_text("#!/bin/sh\n")
    (pretended.parent / "bin" / "sinfo").chmod(0o755)
    node = {"renames": {}, "host": "n1", "time": time.time(), "sees_token": True}
    monkeypatch.setattr(doctor, "judge", lambda result, *_, **__: iter([Finding("the node is fit", result == node)]))
    monkeypatch.setattr(doctor, "_result", lambda *_: (node, ""))
    assert main(["doctor", "--profile", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "ran on n1" in out and "ok    the node is fit" in out and "nothing is wrong" in out
    monkeypatch.setattr(doctor, "_result", lambda *_: (None, "it ended without an answer"))
    assert main(["doctor", "--profile", "cpu"]) == 5
    assert "-> it ended without an answer" in capsys.readouterr().out


def test_a_job_that_never_starts_is_cancelled(folder, pretended):
    assert doctor._result(folder, "7", patience=0.0) == (
        None,
        "it did not start within 0 s (gone): --patience waits longer",
    )
    assert "scancel" in (pretended / "calls").read_text()
