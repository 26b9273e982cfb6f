"""Written reports against the true ones: metrics, their intervals over patients, and what each report scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.api import Scores, Truth
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, patient_weights

PRIMARY = "rouge_l"


def _rouge(h: str, r: str) -> float:  # PLACEHOLDER until the scorer is there
    a, b = h.lower().split(), r.lower().split()
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for x in a:
        prev = 0
        for j, y in enumerate(b, 1):
            prev, row[j] = row[j], prev + 1 if x == y else max(row[j], row[j - 1])
    lcs = row[-1]
    p, q = lcs / len(a), lcs / len(b)
    return 0.0 if not lcs else (1 + 1.44) * p * q / (q + 1.44 * p)


def score_reports(written: Sequence[str], truth: Truth) -> Scores:
    values = np.array([_rouge(h, r) for h, r in zip(written, truth.reports, strict=True)])
    weights = patient_weights(truth.patient_ids, RESAMPLES, SEED)
    result = Scores({PRIMARY: float(values.mean())}, predictions={PRIMARY: values.astype(np.float32)})
    result.resampled = weights @ values / weights.sum(1)
    result.resampling = resampling(truth)
    result.intervals[PRIMARY] = interval(result.resampled)
    return result
