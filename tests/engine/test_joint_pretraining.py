"""`ecgarena run` under a launcher: the processes pre-train together, the first alone runs the cells."""

import contextlib
import os
import socket
import subprocess
import sys

import pytest

from benchmark.cli import main
from benchmark.engine import distributed, joint_pretraining
from benchmark.engine.events import discard_event
from benchmark.engine.training import TrainingError
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.pretrained import read_card
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def launched(command, processes=2):
    """Return exit code and output of each of the processes, as torchrun would start them."""
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmark", *map(str, command)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(processes)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in workers]
    return [(process.returncode, output) for process, output in zip(workers, outputs, strict=True)]


def test_a_run_on_two_processes_trains_on_both_and_writes_from_the_first(prepared_home, tiny_suite):
    few = ["--methods", "merl", "--tasks", "zero_shot", "--set", "methods.merl.pretrain.epochs=1", "--device", "cpu"]
    (first, output), (second, silence) = launched(["run", tiny_suite, *few])
    assert (first, second) == (0, 0), output + silence
    assert ", 2 processes" in output and "done   merl zero_shot" in output
    assert silence == ""  # no cell, no table, no line of progress
    assert len(list(prepared_home.records.rglob("record.json"))) == 1


@pytest.fixture
def merl_groups(prepared_home, tiny_suite):
    return group_cells(make_plan(load_suite(str(tiny_suite)), methods=["merl"]).cells)


def test_a_training_that_fails_on_all_processes_is_the_failure_of_its_cells(merl_groups, prepared_home, monkeypatch):
    def fail(*_):
        raise TrainingError("the loss is not finite")

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "process_group", contextlib.nullcontext)
    monkeypatch.setattr(joint_pretraining, "pretrain", fail)
    with pytest.raises(TrainingError):
        joint_pretraining.pretrain_first(merl_groups, prepared_home, "cpu", discard_event)
    cells = [cell for group in merl_groups for cell in group.cells]
    errors = [Store(prepared_home.records).get(cell.spec).error for cell in cells]
    assert {error["message"] for error in errors} == {"the loss is not finite"}
    assert read_card(prepared_home.pretrained / cells[0].weights_folder) is None


def test_without_a_launcher_nothing_is_trained_ahead_of_the_cells(merl_groups, prepared_home, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(joint_pretraining, "pretrain", None)  # a call would raise
    joint_pretraining.pretrain_first(merl_groups, prepared_home, "cpu", discard_event)
    assert joint_pretraining.is_first_process()


def test_executors_with_processes_of_their_own_are_refused_under_a_launcher(home, tiny_suite, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert main(["run", str(tiny_suite), "--executor", "processes"]) == 2
    assert "WORLD_SIZE is 8" in capsys.readouterr().err
