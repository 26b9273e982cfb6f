"""What the harness itself costs: a cell that does nothing, and ``ecgarena --help``.

python tests/speed/harness.py [--cells 500]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.api import Predictions, Scores, Task
from benchmark.data.store.preparation import prepare
from benchmark.engine.events import discard_event
from benchmark.engine.run import run_group
from benchmark.paths import Home
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import DatasetBlock, MethodBlock, Suite, TaskBlock
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
        tasks=[TaskBlock(name="no_op", config={"seed": list(range(cells))})],
        methods=[MethodBlock(name="fake")],
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        prepare("synthetic", {"patients": 60}, home)
        (group,) = group_cells(make_plan(suite).cells)
        start = time.perf_counter()
        outcome = run_group(group, home, "cpu", discard_event)
        durations = time.perf_counter() - start
    assert outcome == {"done": cells}
    print(
        f"a cell that does nothing, record and predictions stored: {1e3 * durations / cells:.2f} ms (mean of {cells})"
    )
    bare, actual = [], []
    for _ in range(15):
        bare.append(seconds([sys.executable, "-c", "pass"]))
        actual.append(seconds([sys.executable, "-m", "benchmark", "--help"]))
    print(f"ecgarena --help: {statistics.median(actual):.3f} s (python itself: {statistics.median(bare):.3f} s)")


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
