"""What the harness itself costs: a cell that does nothing, and ``ecgarena --help``.

python tests/speed/harness.py [--cells 500]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from figures import check_count, show

from benchmark.api import Predictions, Scores, Task
from benchmark.data.store.preparation import prepare
from benchmark.engine.events import discard_event
from benchmark.engine.run import run_group
from benchmark.paths import Home
from benchmark.planning.plan import CellGroup, group_cells, make_plan
from benchmark.planning.suites import DatasetBlock, MethodBlock, Suite, TaskBlock
from benchmark.records.paths import RECORD
from benchmark.registry import METHODS, TASKS
from benchmark.testing import FakeMethod


@dataclass(frozen=True)
class NoOp(Task):
    """Answers with one number and scores it."""

    seed: int = 0
    primary: ClassVar[str] = "nothing"

    def skip_reason(self, method, dataset, label_set):
        return None

    def predict(self, context):
        return Predictions({"number": np.zeros(1)})

    def score(self, predictions, truth):
        return Scores({"nothing": 0.0})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=500)
    cells = parser.parse_args().cells
    TASKS.register("no_op")(NoOp)
    METHODS.register("fake")(FakeMethod)
    suite = Suite(
        name="no_op",
        title="",
        version="1",
        datasets=[DatasetBlock(name="synthetic", label_sets=["groups"], config={"patients": 60})],
        tasks=[TaskBlock(name="no_op", config={"seed": list(range(cells + 1))})],
        methods=[MethodBlock(name="fake")],
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        prepare("synthetic", {"patients": 60}, home)
        (group,) = group_cells(make_plan(suite).cells)
        first, rest = durations_of(group, home)
        check_count("records on disk", len(list(home.records.glob(f"*/*/*/{RECORD}"))), cells + 1)
    show(
        f"a cell that does nothing, record and predictions stored (mean of {cells})",
        f"{1e3 * rest.clock / cells:.2f} ms, {1e3 * rest.processor / cells:.2f} ms of processor time",
    )
    show(
        "the first cell of a process, with imports and the opening of its data",
        f"{1e3 * first.processor:.0f} ms of processor time; counted into the mean, "
        f"{1e3 * (first.processor + rest.processor) / (cells + 1):.2f} ms a cell",
    )
    bare, actual = zip(*(help_beside_python() for _ in range(15)), strict=True)
    show(
        "`ecgarena --help`, processor time, least of 15",
        f"{1e3 * min(actual):.0f} ms",
        f"python itself {1e3 * min(bare):.0f} ms",
    )


class Seconds(NamedTuple):
    """Seconds by the clock, and of the processor."""

    clock: float
    processor: float


def durations_of(group: CellGroup, home: Home) -> list[Seconds]:
    """Return the seconds of the group's first cell, and of all others together."""
    result = []
    for cells in (group.cells[:1], group.cells[1:]):
        start = time.perf_counter(), time.process_time()
        outcome = run_group(replace(group, cells=cells), home, "cpu", discard_event)
        result.append(Seconds(time.perf_counter() - start[0], time.process_time() - start[1]))
        check_count("cells done", outcome["done"], len(cells))
    return result


def help_beside_python() -> tuple[float, float]:
    return seconds([sys.executable, "-c", "pass"]), seconds([sys.executable, "-m", "benchmark", "--help"], "usage:")


def seconds(command: list[str], beginning: str = "") -> float:
    """Return the processor time of a process, whose output begins as it should."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    check_count(f"answers of {command[1:]}", int(output.startswith(beginning)), 1)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
