"""Print the seconds of a regression cell from cached features, in its parts, at the size of PTB-XL's age.

Run it: ``python tests/speed/regression.py [--rounds 3]``. Features and numbers are random, since neither the closed
form nor the resamples depend on what they hold. A record's ``seconds`` has the same for a real cell. The least of the
rounds is printed, by the clock and in processor time of all threads.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from figures import check_count, show

from benchmark.api import Target, Truth
from benchmark.data.labels.strata import strata
from benchmark.data.labels.subsets import draw
from benchmark.metrics.number_scoring import score_numbers
from benchmark.probes.regression import regress

SIZES = {"train": 17201, "val": 2141, "test": 2164}
DIMENSIONS = (256, 368, 512, 768)  # MERL's compact form, the handcrafted features, MERL, transformers


def split(size: int, dim: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    features = random.normal(size=(size, dim)).astype(np.float32)
    return features, 60 + features[:, :8].sum(axis=1) + random.normal(0, 12, size)


def least(rounds: int, work: Callable[[], object]) -> np.ndarray:
    """Return the least seconds by the clock and of processor time, ``(2,)``."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter(), time.process_time()
        work()
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return np.min(seconds, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds, random = parser.parse_args().rounds, np.random.default_rng(0)
    for dim in DIMENSIONS:
        parts = {name: split(size, dim, random) for name, size in SIZES.items()}
        patients = [f"p{i}" for i in random.integers(0, 15000, SIZES["train"])]
        ids = [f"r{i}" for i in range(SIZES["train"])]
        values = parts["test"][1]
        test_patients = [f"t{i}" for i in random.integers(0, 1900, SIZES["test"])]
        names = [f"t{i}" for i in range(SIZES["test"])]
        truth = Truth(
            names, test_patients, np.zeros((len(values), 0)), (), names, target=Target("years", 0, 89), values=values
        )
        labels, classes = strata(parts["train"][1], "years")
        fit = regress(parts["train"], parts["val"], parts["test"][0])
        seconds = {
            "subset": least(rounds, lambda: draw(ids, patients, labels, classes, 1.0, 0)),  # noqa: B023
            "regression": least(rounds, lambda: regress(parts["train"], parts["val"], parts["test"][0])),  # noqa: B023
            "score": least(rounds, lambda: score_numbers(truth, fit.predictions.astype(float))),  # noqa: B023
        }
        check_count("recordings predicted", len(fit.predictions), SIZES["test"])
        text = ", ".join(f"{name} {clock:.2f} s" for name, (clock, _) in seconds.items())
        clock, processor = sum(seconds.values())
        show(
            f"a regression cell on {SIZES['train']:,} x {dim}, with intervals of three metrics",
            f"{clock:.2f} s, {processor:.2f} s of processor time ({text})",
        )


if __name__ == "__main__":
    main()
