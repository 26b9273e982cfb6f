"""Multi-label classification metrics, vectorised over classes, exact with ties, in plain numpy.

Definitions follow scikit-learn (`roc_auc_score`, `average_precision_score`, `f1_score`, `brier_score_loss`) and values
equal its own to 1e-12; AUROC is the Mann-Whitney statistic over midranks. Labels and scores are ``(recording, class)``.
For a class that lacks positives or negatives, scikit-learn warns and returns a number; these functions return NaN,
which `macro` leaves out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def scorable(labels: ArrayLike) -> Bools:
    """Return per class whether it has at least one positive and one negative: ``(n, C) -> (C,)``."""
    positive = validate_labels(labels)
    return np.asarray(positive.any(axis=0) & ~positive.all(axis=0))


def auroc(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Return the area under the ROC curve per class, a tied pair counting 1/2: ``(n, C), (n, C) -> (C,)``.

    NaN for a class without positives or without negatives. Raises `BenchmarkError` for labels other than 0 and 1,
    scores that are not finite, and shapes that differ.
    """
    positive, _, first, last = _rank(*validate(labels, scores))
    n, count = positive.shape[1], positive.sum(axis=1)
    # ranks ascend while the columns descend; a tie group shares the mean of its ranks
    midranks = n - (first + last) / 2
    wins = (midranks * positive).sum(axis=1) - count * (count + 1) / 2
    return _ratio(wins, count * (n - count))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Return the average precision (AUPRC without interpolation) per class: ``(n, C), (n, C) -> (C,)``.

    This is the sum over distinct thresholds of precision times the step in recall, so every positive counts the
    precision at the end of its tie group. NaN for the same classes as `auroc`, so that both macro averages are over the
    same classes. Raises as `auroc` does.
    """
    positive, _, _, last = _rank(*validate(labels, scores))
    count = positive.sum(axis=1)
    hits = np.take_along_axis(positive.cumsum(axis=1), last, axis=1)
    precision = hits / (last + 1)
    total = (precision * positive).sum(axis=1)
    return np.where(count < positive.shape[1], _ratio(total, count), np.nan)


def f1_thresholds(labels: ArrayLike, scores: ArrayLike) -> Floats:
    """Return per class the score ``(C,)`` at which ``score >= threshold`` has the best F1.

    Meant for validation data. Candidates are the scores that occur; of equally good ones the highest is chosen (fewest
    recordings called positive). A class without positives gets +inf, so it is never called. Raises as `auroc` does.
    """
    positive, descending, _, last = _rank(*validate(labels, scores))
    count = positive.sum(axis=1)
    hits = np.take_along_axis(positive.cumsum(axis=1), last, axis=1)
    f1 = 2 * hits / (count[:, None] + last + 1)
    best = f1.argmax(axis=1)  # the first maximum is the highest score
    return np.where(count > 0, descending[np.arange(len(descending)), best], np.inf)


def f1_at(labels: ArrayLike, scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Return the F1 of ``score >= threshold`` per class: ``(n, C), (n, C), (C,) -> (C,)``.

    NaN for a class without positives; 0 where there are positives and no call is right. Raises as `auroc` does, and
    when there is not one threshold per class.
    """
    truth, values = validate(labels, scores)
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.shape != (truth.shape[1],) or np.isnan(limits).any():
        raise BenchmarkError(f"thresholds: expected {truth.shape[1]} numbers, one per class, got {limits}")
    calls = values >= limits
    hits = (calls & truth).sum(axis=0)
    f1 = _ratio(2 * hits, truth.sum(axis=0) + calls.sum(axis=0))
    return np.where(truth.any(axis=0), f1, np.nan)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Return the mean squared difference of label and probability per class: ``(n, C), (n, C) -> (C,)``.

    Defined for every class. Raises as `auroc` does, and for probabilities outside 0 to 1.
    """
    truth, values = validate(labels, probabilities)
    if ((values < 0) | (values > 1)).any():
        raise BenchmarkError(f"probabilities must lie in 0..1, got {values.min():.4g} to {values.max():.4g}")
    return np.asarray(((values - truth) ** 2).mean(axis=0))


def macro(values: ArrayLike) -> float:
    """Return the mean over the classes that have a value; NaN when none has (no warning)."""
    numbers = np.asarray(values, dtype=np.float64)
    present = numbers[~np.isnan(numbers)]
    return float(present.mean()) if present.size else float("nan")


def validate_labels(labels: ArrayLike) -> Bools:
    """Return labels as booleans ``(n, C)``; raise `BenchmarkError` for other shapes and values."""
    values = np.asarray(labels)
    if values.ndim != 2 or not values.size:
        raise BenchmarkError(f"labels must be (recording, class) and not empty, got shape {values.shape}")
    wrong = np.flatnonzero(~((values == 0) | (values == 1)).all(axis=0))
    if wrong.size:
        raise BenchmarkError(f"labels must be 0 or 1; classes (by column) with other values: {wrong[:10].tolist()}")
    return values.astype(bool)


def validate(labels: ArrayLike, scores: ArrayLike) -> tuple[Bools, Floats]:
    """Return labels as booleans and scores as floats, both ``(n, C)``; raise `BenchmarkError` otherwise."""
    truth, values = validate_labels(labels), np.asarray(scores, dtype=np.float64)
    if truth.shape != values.shape:
        raise BenchmarkError(f"labels have shape {truth.shape}, scores {values.shape}")
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if wrong.size:
        raise BenchmarkError(f"scores are not finite in classes (by column) {wrong[:10].tolist()}")
    return truth, values


def _rank(truth: Bools, values: Floats) -> tuple[Bools, Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Sort every class by descending score; return labels, scores, and first and last index of each tie group.

    All four are ``(C, n)``.
    """
    order = np.argsort(-values.T, axis=1, kind="stable")
    descending = np.take_along_axis(values.T, order, axis=1)
    index = np.broadcast_to(np.arange(descending.shape[1]), descending.shape)
    starts = np.ones(descending.shape, dtype=bool)
    starts[:, 1:] = descending[:, 1:] != descending[:, :-1]
    ends = np.ones(descending.shape, dtype=bool)
    ends[:, :-1] = starts[:, 1:]
    first = np.maximum.accumulate(np.where(starts, index, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, index, index.shape[1])[:, ::-1], axis=1)[:, ::-1]
    return np.take_along_axis(truth.T, order, axis=1), descending, first, last


def _ratio(top: NDArray[np.generic], bottom: NDArray[np.generic]) -> Floats:
    """Return `top / bottom`, NaN where `bottom` is 0."""
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result
