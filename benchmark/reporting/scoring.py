"""Written reports against the true ones: every metric with its interval over patients, and what each report scored.

BLEU and METEOR of a corpus are no means over its reports: their sums are resampled, not their sentence scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.api import Scores, Truth
from benchmark.errors import BenchmarkError
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, patient_weights
from benchmark.metrics.text.scores import score_texts

PRIMARY = "rouge_l"  # one value per report, without Java, and no document frequencies that depend on the test set
METRICS = (
    *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor", "cider"),
    *("length_ratio", "distinct", "exact"),
)


def score_reports(written: Sequence[str], truth: Truth) -> Scores:
    """Score a report per test recording; those without a true report are left out and counted.

    Raises `BenchmarkError` when there is nothing to compare with, or a number of reports that does not fit.
    """
    if len(written) != len(truth.reports):
        raise BenchmarkError(f"{len(written)} written reports for {len(truth.reports)} recordings of test")
    rows = np.flatnonzero([bool(text.strip()) for text in truth.reports])
    if not len(rows):
        raise BenchmarkError("no recording of test has a report: there is nothing to compare with")
    found = score_texts([written[int(row)] for row in rows], [truth.reports[int(row)] for row in rows])
    result = Scores(dict(found.metrics), notes=list(found.notes), resampling=resampling(truth))
    for name, values in found.resampled(patient_weights(truth.patient_ids, RESAMPLES, SEED)[:, rows]).items():
        result.intervals[name] = interval(values)
        if name == PRIMARY:
            result.resampled = values
    for name, values in found.per_text.items():
        result.predictions[name] = np.full(len(written), np.nan, np.float32)
        result.predictions[name][rows] = values
    result.analysis["text"] = {"signature": found.signature, "reports": len(rows), "empty": found.empty}
    missing = len(written) - len(rows)
    if missing:
        result.notes.append(f"{missing} recordings of test have no report and are left out")
    return result
