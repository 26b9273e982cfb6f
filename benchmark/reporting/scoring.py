"""Written reports against the true ones: every metric with its interval over patients, and what each report scored.

BLEU and METEOR of a corpus are no means over its reports: their sums are resampled, not their sentence scores. Half of
PTB-XL's test reports occur word for word in train; the metrics that end in ``_new`` are of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from benchmark.api import Scores, Truth
from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.data.reports.report_texts import report_key
from benchmark.errors import BenchmarkError
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, patient_weights
from benchmark.metrics.text.clinical import Agreement, with_labels, with_reports
from benchmark.metrics.text.scores import TextScores, score_texts
from benchmark.metrics.text.statements import rules

PRIMARY = "rouge_l"  # one value per report, without Java, and no document frequencies that depend on the test set
WORDS = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor", "cider")
NEW = ("bleu_4", "rouge_l", "meteor", "cider")  # also scored without the reports that occur in train
METRICS = (
    *WORDS,
    *("clinical_f1_micro", "clinical_f1_macro", "label_f1_micro", "label_f1_macro"),
    *(f"{name}_new" for name in NEW),
    *("length_ratio", "distinct", "exact"),
)


def score_reports(written: Sequence[str], truth: Truth, known: Collection[str] = (), hygiene: bool = True) -> Scores:
    """Score a report per test recording; those without a true report are left out and counted.

    `known` are the keys (`report_key`) of the training reports. With `hygiene` the true reports are cleaned by the
    rules of their dataset, as those that methods learn from are. Raises `BenchmarkError` when there is nothing to
    compare with, or a number of reports that does not fit.
    """
    if len(written) != len(truth.reports):
        raise BenchmarkError(f"{len(written)} written reports for {len(truth.reports)} recordings of test")
    dataset = truth.label_set.partition("/")[0]
    true, changed = clean_reports(truth.reports, dataset) if hygiene else (list(truth.reports), {})
    rows = np.flatnonzero([bool(text.strip()) for text in true])
    if not len(rows):
        raise BenchmarkError("no recording of test has a report: there is nothing to compare with")
    written, true = [written[int(row)] for row in rows], [true[int(row)] for row in rows]
    weights = patient_weights(truth.patient_ids, RESAMPLES, SEED)[:, rows]
    found = score_texts(written, true)
    result = Scores(dict(found.metrics), notes=list(found.notes), resampling=resampling(truth))
    _word_intervals(result, found, weights, rows, len(truth.reports))
    result.analysis["text"] = {"signature": found.signature, "reports": len(rows), "empty": found.empty}
    result.analysis["hygiene"] = changed
    _add_new(result, found, weights, np.array([report_key(text) in known for text in true]))
    _add_clinical(result, written, true, truth.labels[rows], truth.classes, weights)
    missing = len(truth.reports) - len(rows)
    if missing:
        result.notes.append(f"{missing} recordings of test have no report and are left out")
    return result


def _word_intervals(result: Scores, found: TextScores, weights: np.ndarray, rows: np.ndarray, count: int) -> None:
    for name, values in found.resampled(weights).items():
        result.intervals[name] = interval(values)
        if name == PRIMARY:
            result.resampled = values
    for name, values in found.per_text.items():
        result.per_recording[name] = np.full(count, np.nan, np.float32)
        result.per_recording[name][rows] = values


def _add_new(result: Scores, found: TextScores, weights: np.ndarray, verbatim: np.ndarray) -> None:
    """The same scores on the true reports that no training report equals, word for word."""
    share = float(verbatim.mean())
    result.analysis["verbatim"] = {"reports": int(verbatim.sum()), "share": share}
    if verbatim.all():
        result.notes.append("every test report occurs word for word in train: there is no score without them")
        return
    whole = found.resampled((~verbatim)[None].astype(float))
    others = weights * ~verbatim
    parts = found.resampled(others[others.any(1)])
    for name in NEW:
        if name in whole:
            result.metrics[f"{name}_new"] = float(whole[name][0])
            result.intervals[f"{name}_new"] = interval(parts[name])


def _add_clinical(
    result: Scores,
    written: Sequence[str],
    true: Sequence[str],
    labels: np.ndarray,
    classes: Sequence[str],
    weights: np.ndarray,
) -> None:
    """F1 of diagnostic statements, against the true reports and against the labels; and what the true reports reach."""
    told: dict[str, Any] = {"rules": rules().digest}
    agreements = {"clinical": with_reports(written, true), "label": with_labels(written, labels, classes)}
    for kind, agreement in agreements.items():
        if agreement is None:
            continue
        once, many = _f1(agreement, np.ones((1, len(written)))), _f1(agreement, weights)
        for name in once:
            result.metrics[f"{kind}_f1_{name}"] = float(once[name][0])
            result.intervals[f"{kind}_f1_{name}"] = interval(many[name])
        told[kind] = agreement.by_statement()
    reached = with_labels(true, labels, classes)
    if reached is not None:  # no report is likely to follow the labels better than the true one
        told["label_f1_of_the_true_reports"] = {
            name: float(value[0]) for name, value in _f1(reached, np.ones((1, len(true)))).items()
        }
    result.analysis["statements"] = told


def _f1(agreement: Agreement, weights: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(("micro", "macro"), agreement.f1(weights), strict=True))
