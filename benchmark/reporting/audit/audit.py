"""The audit of report metrics: by how much each one falls for each fault, and whether it falls for the right reason.

A fall alone says little, since any change of a text lowers a score. So each fault stands beside a harmless change of
the same length: the same report with as many words misspelt as the fault changed. A metric that understands reports
scores the faulty text below the misspelt one; 50 % is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.statistics import interval, patient_weights
from benchmark.reporting.audit.measures import Measures, Pair
from benchmark.reporting.audit.sampling import Sample

RESAMPLES, SEED = 1000, 0
TIE = 1e-6  # scores nearer than this differ by rounding alone


@dataclass(frozen=True)
class Line:
    """How one metric takes one fault in one language; shares lie between 0 and 1.

    `drop` is the mean fall as a share of the mean score of the true reports against themselves, with its 95 % interval
    over patients. `below` and `tied` compare faulty texts with their harmless counterparts; NaN for harmless faults.
    """

    fault: str
    title: str
    group: str
    language: str
    metric: str
    reports: int
    patients: int
    words: float
    drop: float
    low: float
    high: float
    below: float
    tied: float

    @property
    def recognised(self) -> float:
        """Return how often the faulty text scores below the harmless one, ties counting one half."""
        return self.below + self.tied / 2


def audit(samples: Sequence[Sample], measures: Measures) -> list[Line]:
    """Score all texts of the samples and compare them; a fault that no report admits gives no line."""
    scores = _score_once(samples, measures)
    return [
        _line(sample, metric, scores[metric], weights)
        for sample in samples
        if sample.true
        for weights in [patient_weights(sample.patients, RESAMPLES, SEED)]
        for metric in scores
    ]


def _score_once(samples: Sequence[Sample], measures: Measures) -> dict[str, dict[Pair, float]]:
    """Return the score of each different pair, by metric."""
    pairs: dict[Pair, None] = {}
    for sample in samples:
        for texts in (sample.true, sample.faulty, sample.harmless):
            pairs.update(dict.fromkeys(_pairs(texts, sample)))
    return {name: dict(zip(pairs, values, strict=True)) for name, values in measures.score(list(pairs)).items()}


def _pairs(texts: Sequence[str], sample: Sample) -> list[Pair]:
    return list(zip(texts, sample.true, strict=True)) if texts else []


def _line(sample: Sample, metric: str, scores: dict[Pair, float], weights: np.ndarray) -> Line:
    true, faulty, harmless = (
        np.array([scores[pair] for pair in _pairs(texts, sample)])
        for texts in (sample.true, sample.faulty, sample.harmless)
    )
    low, high = interval(1 - (weights @ faulty) / (weights @ true))
    below = tied = float("nan")
    if len(harmless):
        below = float(np.mean(faulty < harmless - TIE))
        tied = float(np.mean(np.abs(faulty - harmless) <= TIE))
    return Line(
        sample.fault.name,
        sample.fault.title,
        sample.fault.group,
        sample.language,
        metric,
        len(true),
        len(set(sample.patients)),
        sample.words,
        float(1 - faulty.sum() / true.sum()),
        low,
        high,
        below,
        tied,
    )
