"""Print how the probe compares with scikit-learn on this machine, and peak memory.

Run it: ``python tests/speed/probe.py [--rounds 3]``. Both sides run in turn, in one process, on the same
synthetic features; ratios of minima mean something, absolute times on a shared machine do not. scikit-learn
runs at its best: one BLAS thread (two are slower under its lbfgs).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from figures import check_close, check_count, ratio
from figures import show as show_row

from benchmark.probes.logistic import ProbeBasis, Standardiser
from benchmark.probes.search import tune

Data = tuple[np.ndarray, np.ndarray]


def data(n: int, dim: int, classes: int, seed: int = 0) -> Data:
    """Features with a 1/k spectrum, and labels of 0.5 to 40 % that follow them."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, dim)).astype(np.float32)
    X = (latent / np.sqrt(np.arange(1, dim + 1), dtype=np.float32)) @ rng.normal(size=(dim, dim)).astype(np.float32)
    logits = latent @ rng.normal(size=(dim, classes)) / np.sqrt(dim) * 1.5 + rng.logistic(size=(n, classes))
    prevalences = np.geomspace(0.005, 0.4, classes)
    Y = np.column_stack([logits[:, c] > np.quantile(logits[:, c], 1 - p) for c, p in enumerate(prevalences)])
    return Standardiser.fit(X)(X), Y.astype(int)


def in_turn(rounds: int, **work: Callable[[], object]) -> dict[str, float]:
    """The least seconds of each piece of work, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in seconds.items()}


def show(title: str, seconds: dict[str, float], base: str) -> None:
    otherwise = seconds[base]
    for name, value in seconds.items():
        if name != base:
            show_row(
                f"{title}, {name}", f"{value:.2f} s", f"{base} {otherwise:.2f} s", f"{ratio(otherwise, value):.1f}"
            )


def sklearn_fit(X: np.ndarray, Y: np.ndarray, c: float) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [LogisticRegression(C=c, max_iter=1000).fit(X, y) for y in Y.T]
    return np.column_stack([model.decision_function(X) for model in models])


def check_equal(X: np.ndarray, Y: np.ndarray) -> None:
    """End the script unless both sides fit the same probe."""
    expected, solution = sklearn_fit(X, Y, 0.01), ProbeBasis(X).solve(Y, [0.01], [False])
    logits = X @ solution.weights[0] + solution.intercepts[0]
    check_count("labels fitted", logits.shape[1], Y.shape[1])
    check_close(
        "logits of scikit-learn and of the probe", float(np.abs(logits - expected).max() / np.abs(expected).max()), 0.05
    )


def probes(rounds: int) -> None:
    cs = list(np.geomspace(1e-5, 1, 8))
    for n, dim, classes in ((17000, 512, 5), (17000, 512, 23), (1700, 512, 23), (170, 512, 23)):
        X, Y = data(n, dim, classes)
        seconds = in_turn(
            rounds,
            **{
                "scikit-learn": lambda X=X, Y=Y: sklearn_fit(X, Y, 0.01),  # type: ignore[misc]
                "one penalty, C = .01": lambda X=X, Y=Y: ProbeBasis(X).solve(Y, [0.01], [False]),  # type: ignore[misc]
                "eight, C = 1e-5 to 1": lambda X=X, Y=Y: ProbeBasis(X).solve(Y, cs, [False] * 8),  # type: ignore[misc]
            },
        )
        check_equal(X, Y)
        show(f"probe {n:,} x {dim}, {classes} labels", seconds, "scikit-learn")


def memory() -> None:
    """In a process of its own: the peak of a search over 71 labels above what data and imports hold."""
    X, Y = data(17084, 768, 71)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    result = tune((X, Y), (X[:2000], Y[:2000]), trials=8)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_count("labels of the search", result.scores(X[:10]).shape[1], 71)
    above = (peak - before) / 1e3
    show_row(
        "search of 8 trials on 17,084 x 768, 71 labels",
        f"{seconds:.1f} s, peak {peak / 1e3:.0f} MB, {above:.0f} MB above that of making the data",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="only the memory of one search")
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
    else:
        subprocess.run([sys.executable, __file__, "--memory"], check=True)
        probes(arguments.rounds)
