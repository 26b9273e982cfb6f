"""Print what intervals, subgroups and calibration cost, and how the bootstrap compares with scikit-learn.

Run it: ``python tests/speed/bootstrap.py [--rounds 3]``. 71 classes x 2,000 recordings, 1,000 resamples.
scikit-learn's loop is measured on 20 resamples and scaled to 1,000; the resamples are the same, and so must the
AUROCs be (the largest difference is printed).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from figures import check_close, check_count, ratio, show

from benchmark.api import Truth
from benchmark.metrics.scoring import score_classes
from benchmark.metrics.statistics import bootstrap_auroc, patient_weights

LOOP_RESAMPLES = 20  # resamples of scikit-learn's loop


def world(classes: int, n: int = 2000) -> tuple[Truth, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = (rng.random((n, classes)) < np.geomspace(0.005, 0.4, classes)).astype(int)
    patients = [f"p{i}" for i in rng.integers(0, int(0.9 * n), n)]
    groups = {
        name: rng.choice(np.array([*map(str, range(values))], object), n)
        for name, values in (("sex", 2), ("age", 4), ("language", 3), ("device", 11))
    }
    ids, names = [f"r{i}" for i in range(n)], tuple(f"c{i}" for i in range(classes))
    return Truth(ids, patients, labels, names, [], groups), rng.normal(size=labels.shape) + labels


def seconds(rounds: int, call: Callable[[], object]) -> float:
    result = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        result.append(time.perf_counter() - start)
    return min(result)


def loop(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    from sklearn.metrics import roc_auc_score

    result = np.full((len(weights), labels.shape[1]), np.nan)
    for r, row in enumerate(weights):
        for c in range(labels.shape[1]):
            if 0 < (row * labels[:, c]).sum() < row.sum():
                result[r, c] = roc_auc_score(labels[:, c], scores[:, c], sample_weight=row)
    return result


def bootstrap(rounds: int) -> None:
    truth, scores = world(71)
    few = patient_weights(truth.patient_ids, LOOP_RESAMPLES)
    start = time.perf_counter()
    expected = loop(truth.labels, scores, few)
    slow = (time.perf_counter() - start) * 1000 / LOOP_RESAMPLES
    fast = seconds(rounds, lambda: bootstrap_auroc(truth.labels, scores, truth.patient_ids, 1000))
    check_count("resamples", len(bootstrap_auroc(truth.labels, scores, truth.patient_ids, 1000)), 1000)
    gap = np.nanmax(np.abs(bootstrap_auroc(truth.labels, scores, truth.patient_ids, LOOP_RESAMPLES) - expected))
    check_close("AUROCs of scikit-learn and of the bootstrap", float(gap), 1e-9)
    show(
        f"1,000 bootstrap resamples, 71 classes x 2,000 recordings, difference {gap:.0e}",
        f"{fast:.2f} s",
        f"loop over scikit-learn, {LOOP_RESAMPLES} measured and scaled: {slow:.0f} s",
        f"{ratio(slow, fast):.0f}",
    )


def scoring(rounds: int) -> None:
    for classes in (5, 23, 71):
        truth, scores = world(classes)
        bare = Truth(truth.record_ids, truth.patient_ids, truth.labels, truth.classes, [])
        limits, p = np.zeros(classes), 1 / (1 + np.exp(-scores))
        plain = seconds(rounds, lambda: score_classes(bare, scores, limits))  # noqa: B023
        calibrated = seconds(rounds, lambda: score_classes(bare, scores, limits, p))  # noqa: B023
        whole = seconds(rounds, lambda: score_classes(truth, scores, limits, p))  # noqa: B023
        check_count("classes scored", len(score_classes(bare, scores, limits).per_class), classes)
        show(
            f"scoring a cell, {classes} classes x 2,000 recordings",
            f"{plain:.2f} s with intervals, {calibrated:.2f} s with calibration, {whole:.2f} s with subgroups too",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bootstrap(arguments.rounds)
    scoring(arguments.rounds)
