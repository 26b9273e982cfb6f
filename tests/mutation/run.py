"""``make mutation``: how many small faults in metrics and splitting do the tests notice?

Every mutant runs in a fork that has numpy and its friends loaded already, and meets the tests of its module until the
first one fails. Those that none notices must stand in ``survivors.toml`` with a reason; a new one, or a listed one that
is noticed now, ends with exit code 1. Takes minutes; ``python tests/mutation/run.py subsets`` looks at one module.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path

import hypothesis  # noqa: F401 (loaded here once, for all forks)
import numpy  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
from mutants import Mutant, Plain, mutants

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
SURVIVORS = FOLDER / "survivors.toml"
TIMEOUT = 60  # seconds: a mutant that hangs is noticed
METRICS = ["tests/metrics/test_classification.py", "tests/metrics/test_calibration.py"]
TARGETS = {  # module -> the tests that must notice, the quickest first
    "benchmark.metrics.classification": METRICS,
    "benchmark.metrics.calibration": ["tests/metrics/test_calibration.py"],
    "benchmark.metrics.paired": ["tests/metrics/test_scoring.py"],
    "benchmark.metrics.retrieval": ["tests/metrics/test_retrieval_metrics.py"],
    "benchmark.metrics.statistics": ["tests/metrics/test_scoring.py", "tests/metrics/test_statistics.py"],
    "benchmark.metrics.subgroups": ["tests/metrics/test_scoring.py"],
    "benchmark.metrics.scoring": ["tests/metrics/test_scoring.py"],
    "benchmark.data.labels.subsets": ["tests/data/test_subsets.py"],
    "benchmark.data.labels.splits": ["tests/data/test_splits.py"],
    "benchmark.data.store.recording_index": ["tests/data/test_index.py"],
}


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module in its mutated form, all others as they are."""

    def __init__(self, module: str, path: Path, mutant: Mutant) -> None:
        self.module, self.path = module, path
        self.code = compile(Plain().visit(mutant.tree), str(path), "exec")

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.module else None

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return None

    def exec_module(self, module) -> None:  # type: ignore[no-untyped-def]
        exec(self.code, module.__dict__)


def outcome(module: str, mutant: Mutant | None, tests: list[str]) -> str:
    """``survived``, ``noticed`` or ``hung``; without a mutant, whether the tests pass at all."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        code = 1
        try:
            if mutant is not None:
                sys.meta_path.insert(0, Mutated(module, path_of(module), mutant))
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + TIMEOUT
    while (result := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hung"
        time.sleep(0.02)
    return "survived" if os.waitstatus_to_exitcode(result[1]) == 0 else "noticed"


def path_of(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


def main(targets: list[str]) -> int:
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = tempfile.mkdtemp()
    names = {name: entry["reason"] for name, entry in tomllib.loads(SURVIVORS.read_text("utf-8")).items()}
    total, wrong = Counter[str](), []
    for module, tests in TARGETS.items():
        if targets and module.rsplit(".", 1)[1] not in targets:
            continue
        if outcome(module, None, tests) != "survived":
            print(f"{module}: its tests fail without any mutant", flush=True)
            return 1
        counts = Counter[str]()
        for mutant in mutants(path_of(module)):
            result = outcome(module, mutant, tests)
            counts[result] += 1
            if (result == "survived") != (mutant.name in names):
                wrong.append(mutant.name)
                print(
                    f"{'NEW' if result == 'survived' else 'NOTICED NOW'}: line {mutant.line}: {mutant.name}", flush=True
                )
        total += counts
        print(f"{module}: {summary(counts)}", flush=True)
    print(f"all: {summary(total)}; {len(wrong)} disagree with {SURVIVORS.name}")
    return 1 if wrong else 0


def summary(counts: Counter[str]) -> str:
    killed = counts.total() - counts["survived"]
    return f"{killed} of {counts.total()} mutants noticed ({killed / max(counts.total(), 1):.1%})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
