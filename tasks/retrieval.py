"""Retrieval: find the report of a recording, and recordings of a report, in the space that a method shares with text.

Reports are no labels, but which recording a report belongs to is what this task asks. So `predict` sees the
signals of the test split and the *sorted list of its different texts*, and gives the method's own similarity
of each with each; only the scorer knows the pairs. How duplicates count: `benchmark.metrics.retrieval`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmark.api import AlignedMethod, Method, Predictions, Scores, Task, TaskContext, Truth
from benchmark.data.reports.report_texts import report_key
from benchmark.errors import BenchmarkError
from benchmark.metrics.retrieval import DEPTHS, chance, place, resampled_means, resampled_medians
from benchmark.metrics.scoring import RESAMPLES, SEED, resampling
from benchmark.metrics.statistics import interval, patient_weights
from benchmark.registry import TASKS

SOUGHT = ("report", "ecg")  # a recording seeks its report; a report seeks a recording
TEXTS_AT_A_TIME = 64


@dataclass(frozen=True)
class Pairs:
    """The test recordings that have a report: `rows` into the split, and `text`, which of the sorted texts each has."""

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
    def shared_by(self) -> np.ndarray:
        """How many recordings have each text."""
        return np.bincount(self.text)

    def weights(self, sought: str) -> np.ndarray:
        """Every recording asks once; every text asks once, its recordings sharing the weight."""
        return np.ones(len(self.rows)) if sought == "report" else 1 / self.shared_by[self.text]


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
        assert isinstance(method, AlignedMethod)  # `skip_reason` has seen to it
        ecg = torch.from_numpy(np.array(context.features("test", "embeddings")))
        with torch.inference_mode():
            starts = range(0, len(texts), TEXTS_AT_A_TIME)
            text = torch.cat([method.text_embeddings(texts[start : start + TEXTS_AT_A_TIME]) for start in starts])
            similarity = method.similarity(ecg.to(text.device), text).float().cpu().numpy()
        return Predictions({}, details={"texts": len(texts)}, scratch={"similarity": similarity})

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        pairs = Pairs.of(list(truth.reports))
        result = Scores(metrics={}, per_recording=_placed(predictions.scratch["similarity"], pairs))
        draws = patient_weights(truth.patient_ids, RESAMPLES, SEED)[:, pairs.rows]
        once = np.ones((1, len(pairs.rows)))
        for name, value in _metrics(result.per_recording, pairs, once).items():
            result.metrics[name] = float(value[0])
        for name, values in _metrics(result.per_recording, pairs, draws).items():
            result.intervals[name] = interval(values)
            if name == self.primary:
                result.resampled, result.resampling = values, resampling(truth)
        result.analysis = _analysis(pairs)
        missing = pairs.recordings - len(pairs.rows)
        if missing:
            result.notes.append(f"{missing} recordings of test have no report and are left out of retrieval")
        return result


def _placed(similarity: np.ndarray, pairs: Pairs) -> dict[str, np.ndarray]:
    """Rank and hits of every recording's query, and of its report's; NaN where there is no report."""
    texts = len(pairs.shared_by)
    if similarity.shape != (pairs.recordings, texts):
        expected = f"{pairs.recordings} recordings and {texts} different texts"
        raise BenchmarkError(f"a similarity of {similarity.shape} cannot be scored for {expected}")
    known = similarity[pairs.rows]
    right = pairs.text[:, None] == np.arange(texts)
    found = {}
    for sought, placing, of in (
        ("report", place(known, right), np.arange(len(pairs.rows))),
        ("ecg", place(known.T, right.T), pairs.text),
    ):
        hits = np.stack([placing.hit(depth) for depth in DEPTHS], axis=1)
        found[f"rank_of_{sought}"] = np.full(pairs.recordings, np.nan)
        found[f"hits_of_{sought}"] = np.full((pairs.recordings, len(DEPTHS)), np.nan)
        found[f"rank_of_{sought}"][pairs.rows] = placing.rank()[of]
        found[f"hits_of_{sought}"][pairs.rows] = hits[of]
    return found


def _metrics(predictions: Mapping[str, np.ndarray], pairs: Pairs, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric in each resample of `draws` ``(resamples, recording with a report)``."""
    found = {}
    for sought in SOUGHT:
        weights = pairs.weights(sought)
        for column, depth in enumerate(DEPTHS):
            hits = predictions[f"hits_of_{sought}"][pairs.rows, column]
            found[f"recall_at_{depth}_{sought}"] = resampled_means(hits, weights, draws)
        ranks = predictions[f"rank_of_{sought}"][pairs.rows]
        found[f"median_rank_{sought}"] = resampled_medians(ranks, weights, draws)
    both = [found[f"recall_at_{DEPTHS[-1]}_{sought}"] for sought in SOUGHT]
    return {Retrieval.primary: (both[0] + both[1]) / 2, **found}


def _analysis(pairs: Pairs) -> dict[str, Any]:
    """How many texts there are, how often the most common one occurs, and what a random order would reach."""
    shared = pairs.shared_by
    luck = {
        "report": chance(len(shared), np.ones(len(pairs.rows), np.intp), np.ones(len(pairs.rows))),
        "ecg": chance(len(pairs.rows), shared, np.ones(len(shared))),
    }
    levels = {f"{name}_{sought}": round(value, 6) for sought in SOUGHT for name, value in luck[sought].items()}
    levels[Retrieval.primary] = round(sum(luck[sought][Retrieval.primary] for sought in SOUGHT) / 2, 6)
    sizes = {"recordings": len(pairs.rows), "texts": len(shared), "most_shared": int(shared.max())}
    return {"chance": levels, "retrieval": sizes}
