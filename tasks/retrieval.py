"""Retrieval: find a recording's report, and a report's recordings, in the space that a method shares with text.

Reports are no labels, but which recording a report belongs to is the very question. So `predict` sees the signals of
the test split and the *sorted list of its different texts*, and returns the method's own similarity of each pair; only
the scorer knows which pairs belong together. `benchmark.metrics.retrieval` tells how duplicates count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmark.api import AlignedMethod, Method, Predictions, Scores, Task, TaskContext, Truth
from benchmark.data.reports.report_texts import report_key
from benchmark.errors import BenchmarkError
from benchmark.metrics.retrieval import DEPTHS, chance_levels, place, resampled_means, resampled_medians
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, patient_weights
from benchmark.registry import TASKS

TARGETS = ("report", "ecg")  # a recording is the query for its report; a report for its recordings
TEXT_BATCH = 64


@dataclass(frozen=True)
class Pairs:
    """The test recordings that have a report.

    `rows` are their places in the split, and `text` the place of each one's text among the sorted different texts.
    """

    recordings: int
    rows: np.ndarray
    text: np.ndarray

    @classmethod
    def of(cls, reports: list[str]) -> Pairs:
        keys = np.array([report_key(report) for report in reports], object)
        rows = np.flatnonzero(keys != "")
        if not len(rows):
            raise BenchmarkError("no recording of test has a report: there is nothing to retrieve")
        return cls(len(reports), rows, np.unique(keys[rows].astype(str), return_inverse=True)[1])

    @property
    def text_counts(self) -> np.ndarray:
        """The number of recordings with each text."""
        return np.bincount(self.text)

    def weights(self, target: str) -> np.ndarray:
        """Return the weight of each recording's query; as queries for recordings, equal texts share a weight of 1."""
        return np.ones(len(self.rows)) if target == "report" else 1 / self.text_counts[self.text]


@TASKS.register("retrieval")
@dataclass(frozen=True)
class Retrieval(Task):
    """Recall at 1, 5 and 10 and median rank in both directions; the primary metric is the mean recall at 10."""

    version: ClassVar[int] = 1
    primary: ClassVar[str] = "recall_at_10"

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, AlignedMethod):
            return None
        return "it has no space shared by recordings and texts"

    def predict(self, context: TaskContext) -> Predictions:
        import torch

        method, texts = context.method, context.candidate_reports()
        assert isinstance(method, AlignedMethod)  # `skip_reason` guarantees it
        ecg = torch.from_numpy(np.array(context.features("test", "embeddings")))
        with torch.inference_mode():
            starts = range(0, len(texts), TEXT_BATCH)
            text = torch.cat([method.text_embeddings(texts[start : start + TEXT_BATCH]) for start in starts])
            similarity = method.similarity(ecg.to(text.device), text).float().cpu().numpy()
        return Predictions({}, details={"texts": len(texts)}, scratch={"similarity": similarity})

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        pairs = Pairs.of(list(truth.reports))
        result = Scores(metrics={}, per_recording=_rank_pairs(predictions.scratch["similarity"], pairs))
        draws = patient_weights(truth.patient_ids, RESAMPLES, SEED)[:, pairs.rows]
        once = np.ones((1, len(pairs.rows)))
        for name, value in _resample_metrics(result.per_recording, pairs, once).items():
            result.metrics[name] = float(value[0])
        for name, values in _resample_metrics(result.per_recording, pairs, draws).items():
            result.intervals[name] = interval(values)
            if name == self.primary:
                result.resampled, result.resampling = values, resampling(truth)
        result.analysis = _describe(pairs)
        missing = pairs.recordings - len(pairs.rows)
        if missing:
            result.notes.append(f"{missing} recordings of test have no report and are left out of retrieval")
        return result


def _rank_pairs(similarity: np.ndarray, pairs: Pairs) -> dict[str, np.ndarray]:
    """Return rank and hits of every recording's query, and of its report's; NaN where there is no report."""
    texts = len(pairs.text_counts)
    if similarity.shape != (pairs.recordings, texts):
        expected = f"{pairs.recordings} recordings and {texts} different texts"
        raise BenchmarkError(f"a similarity of {similarity.shape} cannot be scored for {expected}")
    with_report = similarity[pairs.rows]
    right = pairs.text[:, None] == np.arange(texts)
    rows_by_name = {}
    for target, match, of in (
        ("report", place(with_report, right), np.arange(len(pairs.rows))),
        ("ecg", place(with_report.T, right.T), pairs.text),
    ):
        hits = np.stack([match.hit(depth) for depth in DEPTHS], axis=1)
        rows_by_name[f"rank_of_{target}"] = np.full(pairs.recordings, np.nan)
        rows_by_name[f"hits_of_{target}"] = np.full((pairs.recordings, len(DEPTHS)), np.nan)
        rows_by_name[f"rank_of_{target}"][pairs.rows] = match.rank()[of]
        rows_by_name[f"hits_of_{target}"][pairs.rows] = hits[of]
    return rows_by_name


def _resample_metrics(predictions: Mapping[str, np.ndarray], pairs: Pairs, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Return every metric in each resample of `draws` ``(resamples, recording with a report)``."""
    metrics = {}
    for target in TARGETS:
        weights = pairs.weights(target)
        for column, depth in enumerate(DEPTHS):
            hits = predictions[f"hits_of_{target}"][pairs.rows, column]
            metrics[f"recall_at_{depth}_{target}"] = resampled_means(hits, weights, draws)
        ranks = predictions[f"rank_of_{target}"][pairs.rows]
        metrics[f"median_rank_{target}"] = resampled_medians(ranks, weights, draws)
    both = [metrics[f"recall_at_{DEPTHS[-1]}_{target}"] for target in TARGETS]
    return {Retrieval.primary: (both[0] + both[1]) / 2, **metrics}


def _describe(pairs: Pairs) -> dict[str, Any]:
    """Return the number of texts, how often the most common one occurs, and the metrics of a random order."""
    counts = pairs.text_counts
    by_target = {
        "report": chance_levels(len(counts), np.ones(len(pairs.rows), np.intp), np.ones(len(pairs.rows))),
        "ecg": chance_levels(len(pairs.rows), counts, np.ones(len(counts))),
    }
    levels = {f"{name}_{target}": round(value, 6) for target in TARGETS for name, value in by_target[target].items()}
    levels[Retrieval.primary] = round(sum(by_target[target][Retrieval.primary] for target in TARGETS) / 2, 6)
    sizes = {"recordings": len(pairs.rows), "texts": len(counts), "most_shared": int(counts.max())}
    return {"chance": levels, "retrieval": sizes}
