"""Score generated reports against the true ones: each metric with its interval over patients, and each report's scores.

BLEU and METEOR of a corpus are no means over its reports, so their sums are resampled, not their sentence scores. Half
of PTB-XL's test reports occur word for word in train; the metrics that end in ``_new`` are of the others.
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
from benchmark.metrics.text.clinical import Agreement, compare_with_labels, compare_with_reports
from benchmark.metrics.text.scores import TextScores, score_texts
from benchmark.metrics.text.statements import load_rules

PRIMARY = "rouge_l"  # one value per report, without Java, and no document frequencies that depend on the test set
WORDS = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor", "cider")
NEW = ("bleu_4", "rouge_l", "meteor", "cider")  # also scored without the reports that occur in train
METRICS = (
    *WORDS,
    *("clinical_f1_micro", "clinical_f1_macro", "label_f1_micro", "label_f1_macro"),
    *(f"{name}_new" for name in NEW),
    *("length_ratio", "distinct", "exact"),
)


def score_reports(
    generated: Sequence[str], truth: Truth, training_keys: Collection[str] = (), hygiene: bool = True
) -> Scores:
    """Score one generated report per test recording; recordings without a true report are left out and counted.

    `training_keys` are the keys (`report_key`) of the training reports. With `hygiene` the true reports are cleaned by
    the rules of their dataset, as those that methods learn from are. Raises `BenchmarkError` when there is no report to
    compare with, or when the number of reports does not fit.
    """
    if len(generated) != len(truth.reports):
        raise BenchmarkError(f"{len(generated)} written reports for {len(truth.reports)} recordings of test")
    dataset = truth.label_set.partition("/")[0]
    references, removals = clean_reports(truth.reports, dataset) if hygiene else (list(truth.reports), {})
    rows = np.flatnonzero([bool(text.strip()) for text in references])
    if not len(rows):
        raise BenchmarkError("no recording of test has a report: there is nothing to compare with")
    generated, references = [generated[int(row)] for row in rows], [references[int(row)] for row in rows]
    weights = patient_weights(truth.patient_ids, RESAMPLES, SEED)[:, rows]
    text_scores = score_texts(generated, references)
    result = Scores(dict(text_scores.metrics), notes=list(text_scores.notes), resampling=resampling(truth))
    _add_word_scores(result, text_scores, weights, rows, len(truth.reports))
    result.analysis["text"] = {"signature": text_scores.signature, "reports": len(rows), "empty": text_scores.empty}
    result.analysis["hygiene"] = removals
    _add_new(result, text_scores, weights, np.array([report_key(text) in training_keys for text in references]))
    _add_clinical(result, generated, references, truth.labels[rows], truth.classes, weights)
    missing = len(truth.reports) - len(rows)
    if missing:
        result.notes.append(f"{missing} recordings of test have no report and are left out")
    return result


def _add_word_scores(
    result: Scores, text_scores: TextScores, weights: np.ndarray, rows: np.ndarray, count: int
) -> None:
    for name, values in text_scores.resample(weights).items():
        result.intervals[name] = interval(values)
        if name == PRIMARY:
            result.resampled = values
    for name, values in text_scores.per_text.items():
        result.per_recording[name] = np.full(count, np.nan, np.float32)
        result.per_recording[name][rows] = values


def _add_new(result: Scores, text_scores: TextScores, weights: np.ndarray, verbatim: np.ndarray) -> None:
    """Add the same scores on the true reports that equal no training report word for word."""
    share = float(verbatim.mean())
    result.analysis["verbatim"] = {"reports": int(verbatim.sum()), "share": share}
    if verbatim.all():
        result.notes.append("every test report occurs word for word in train: there is no score without them")
        return
    whole = text_scores.resample((~verbatim)[None].astype(float))
    others = weights * ~verbatim
    parts = text_scores.resample(others[others.any(1)])
    for name in NEW:
        if name in whole:
            result.metrics[f"{name}_new"] = float(whole[name][0])
            result.intervals[f"{name}_new"] = interval(parts[name])


def _add_clinical(
    result: Scores,
    generated: Sequence[str],
    references: Sequence[str],
    labels: np.ndarray,
    classes: Sequence[str],
    weights: np.ndarray,
) -> None:
    """Add the F1 of diagnostic statements against true reports and labels, and that of true reports against labels."""
    statements: dict[str, Any] = {"rules": load_rules().digest}
    agreements = {
        "clinical": compare_with_reports(generated, references),
        "label": compare_with_labels(generated, labels, classes),
    }
    for kind, agreement in agreements.items():
        if agreement is None:
            continue
        once, many = _statement_f1(agreement, np.ones((1, len(generated)))), _statement_f1(agreement, weights)
        for name in once:
            result.metrics[f"{kind}_f1_{name}"] = float(once[name][0])
            result.intervals[f"{kind}_f1_{name}"] = interval(many[name])
        statements[kind] = agreement.by_statement()
    ceiling = compare_with_labels(references, labels, classes)
    if ceiling is not None:  # no report is likely to follow the labels better than the true one
        statements["label_f1_of_the_true_reports"] = {
            name: float(value[0]) for name, value in _statement_f1(ceiling, np.ones((1, len(references)))).items()
        }
    result.analysis["statements"] = statements


def _statement_f1(agreement: Agreement, weights: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(("micro", "macro"), agreement.f1(weights), strict=True))
