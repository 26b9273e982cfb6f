"""The possible range of each metric, outside of which no number can be a result, and which end of it is better."""

from __future__ import annotations

import math

SHARES = (  # lie from 0 to 1, as do all metrics whose names begin so ("auroc_macro", "bleu_4_new")
    "auroc", "auprc", "f1", "brier", "ece", "accuracy", "precision", "recall", "sensitivity", "specificity",
    "bleu", "rouge", "meteor", "exact", "distinct", "clinical", "label_", "self_",
)  # fmt: skip
OTHERS = {
    "mae": (0.0, math.inf),
    "r2": (-math.inf, 1.0),
    "spearman": (-1.0, 1.0),
    "cider": (0.0, 10.0),
    "median_rank": (1.0, math.inf),
    "length_ratio": (0.0, math.inf),
    "lead_difference": (-math.inf, math.inf),
    "embedding": (-1.0, 1.0),
}
HIGHER_IS_BETTER = ("cider", "r2", "pearson", "spearman", "lead_difference", "embedding")  # beside the shares
LOWER_IS_BETTER = ("brier", "ece", "mae", "rmse", "median_rank")
# more of it is neither better nor worse: where a finding is absent, no lead should matter more than another
UNDIRECTED = ("length_ratio", "distinct", "lead_difference_absent")
SLACK = 1e-6  # records are rounded to six digits


def range_of(metric: str) -> tuple[float, float]:
    """Return the least and the largest value of a metric; for unknown metrics those of all finite numbers."""
    if metric.startswith(SHARES):
        return -SLACK, 1 + SLACK
    for prefix, (low, high) in OTHERS.items():
        if metric.startswith(prefix):
            return low - SLACK, min(high + SLACK, _LARGEST)
    return -_LARGEST, _LARGEST


def is_share(metric: str) -> bool:
    """Whether a metric lies from 0 to 1, so that it can be a percentage."""
    return metric.startswith(SHARES)


def is_higher_better(metric: str) -> bool | None:
    """Whether more of a metric is better; None where neither is, or where the metric is unknown."""
    if metric.startswith(UNDIRECTED):
        return None
    if metric.startswith(LOWER_IS_BETTER):
        return False
    return True if metric.startswith((*SHARES, *HIGHER_IS_BETTER)) else None


_LARGEST = 1.7976931348623157e308
