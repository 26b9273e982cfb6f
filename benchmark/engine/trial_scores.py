"""Scores of a trial's weights, by which `ecgarena tune` chooses. None of them can see the test split.

Three judges: the linear probe on a tenth of the training labels, scored on validation (the mean over label sets);
retrieval between recordings and reports of the validation split; and the validation loss of the training itself. The
first is the protocol's probe (`benchmark.probes.search`), the second the metric of the task `retrieval`.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.api import AlignedMethod, report_key
from benchmark.canonical import digest
from benchmark.data.labels.subsets import draw
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.events import EventSink
from benchmark.engine.features import cached_features
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.pretraining import Pretrained
from benchmark.engine.without_test import WithoutTest
from benchmark.errors import BenchmarkError, UsageError
from benchmark.metrics.retrieval import place
from benchmark.paths import Home
from benchmark.planning.pretrained import HISTORY
from benchmark.planning.tuning import FRACTION, MEASURES, PROBE_TRIALS, RowTuning, TrialTraining
from benchmark.probes.search import tune as tune_probe

PAIRS = 2000  # recordings of validation at most, the first ones with a report
DEPTH = 10
TEXT_BATCH = 64
DECIMALS = 6  # of a score; below that rounding decides


@dataclass(frozen=True)
class Judged:
    """The score of a trial at a rung, its parts, and the digests of the data and labels that it follows from."""

    score: float
    parts: dict[str, float]
    labels: dict[str, str]


@dataclass(frozen=True)
class Weights:
    """Finished weights of a trial, with a folder for their features."""

    handle: MethodHandle
    pretrained: Pretrained
    features: Path


def judge(tuning: RowTuning, training: TrialTraining, weights: Weights, home: Home, on_event: EventSink) -> Judged:
    """Return the score of a trial's weights; raise `BenchmarkError` for one that is no number, which has no rank."""
    judgement = _judge(tuning, training, weights, home, on_event)
    if not math.isfinite(judgement.score):
        raise BenchmarkError(f"its {MEASURES[tuning.table.choose]} is {judgement.score}: these values do not train")
    return judgement


def _judge(tuning: RowTuning, training: TrialTraining, weights: Weights, home: Home, on_event: EventSink) -> Judged:
    if tuning.table.choose == "val_loss":
        return _by_loss(weights.pretrained)
    if tuning.table.choose == "val_retrieval":
        return _by_retrieval(training, weights, home, on_event)
    return _by_labels(tuning, weights, home, on_event)


def _by_loss(pretrained: Pretrained) -> Judged:
    """Return the validation loss of the epoch whose weights were kept."""
    with (pretrained.weights.parent / HISTORY).open(encoding="utf-8", newline="") as file:
        epochs = {int(float(line["epoch"])): line for line in csv.DictReader(file)}
    value = epochs[int(pretrained.card["epoch"])].get("val_loss")
    if not value:
        raise BenchmarkError("there is no validation loss: the validation split of the data is too small for a batch")
    return Judged(round(float(value), DECIMALS), {}, {})


def _by_labels(tuning: RowTuning, weights: Weights, home: Home, on_event: EventSink) -> Judged:
    parts, labels = {}, {}
    for name, config in {at.dataset: at.config for at in tuning.places}.items():
        data = WithoutTest(open_dataset(name, config, home))
        problems = [Problem.of(data, p.label_set, tuning.seed) for p in tuning.places if p.dataset == name]
        rows = np.unique(np.concatenate([problem.rows for problem in problems]))
        matrix = cached_features(weights.handle, "features", data, rows, weights.features, on_event)
        for problem in problems:
            train, val = (matrix[np.searchsorted(rows, part)] for part in (problem.train, problem.val))
            probe = tune_probe((train, problem.train_labels), (val, problem.val_labels), PROBE_TRIALS, tuning.seed)
            parts[f"{name}/{problem.name}"] = float(probe.choice["val_macro_auroc"])
            labels[f"{name}/{problem.name}"] = problem.digest
    return Judged(round(float(np.mean(list(parts.values()))), DECIMALS), parts, labels)


@dataclass(frozen=True)
class Problem:
    """A tenth of the training labels of a label set, and its validation labels: rows of the data, and matrices."""

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    val: np.ndarray
    val_labels: np.ndarray

    @classmethod
    def of(cls, data: WithoutTest, label_set: str, seed: int) -> Problem:
        labelled = data.label_set(label_set)
        splits = data.splits[labelled.rows]
        train, val = np.flatnonzero(splits == "train"), np.flatnonzero(splits == "val")
        if not len(train) or not len(val):
            raise UsageError(f"{data.manifest['dataset']}/{label_set} has no labelled recordings in train or val")
        rows, matrix = labelled.rows[train], labelled.matrix[train]
        subset = draw(data.record_ids[rows], data.patient_ids[rows], matrix, labelled.classes, FRACTION, seed).rows
        return cls(label_set, rows[subset], matrix[subset], labelled.rows[val], labelled.matrix[val])

    @property
    def rows(self) -> np.ndarray:
        return np.concatenate([self.train, self.val])

    @property
    def digest(self) -> str:
        """Return the digest of the labels that the score follows from."""
        arrays = (self.train, self.train_labels, self.val, self.val_labels)
        return digest([np.asarray(array, np.int64).tolist() for array in arrays])


def _by_retrieval(training: TrialTraining, weights: Weights, home: Home, on_event: EventSink) -> Judged:
    """Return the mean over both directions of the recall at 10, as the task `retrieval` scores it."""
    recipe, method = training.recipe, weights.handle.method
    assert isinstance(method, AlignedMethod)  # checked with the suite
    data = WithoutTest(open_dataset(recipe["dataset"], recipe["dataset_config"], home))
    with_report = np.array([bool(report_key(report)) for report in data.reports])
    rows = np.flatnonzero((data.splits == "val") & with_report)[:PAIRS]
    if not len(rows):
        raise BenchmarkError(f"no recording of the validation split of {recipe['dataset']} has a report")
    keys, text = np.unique([report_key(report) for report in data.reports[rows]], return_inverse=True)
    ecg = np.array(cached_features(weights.handle, "embeddings", data, rows, weights.features, on_event))
    firsts = [int(np.flatnonzero(text == number)[0]) for number in range(len(keys))]
    similarity = _similarity(method, ecg, [str(data.reports[rows[first]]) for first in firsts])
    right = text[:, None] == np.arange(len(keys))
    directions = {"report": place(similarity, right), "ecg": place(similarity.T, right.T)}
    parts: dict[str, float] = {name: float(ranks.hit(DEPTH).mean()) for name, ranks in directions.items()}
    return Judged(round(float(np.mean(list(parts.values()))), DECIMALS), parts, {})


def _similarity(method: AlignedMethod, ecg: np.ndarray, texts: list[str]) -> np.ndarray:
    with torch.inference_mode():
        starts = range(0, len(texts), TEXT_BATCH)
        text = torch.cat([method.text_embeddings(texts[start : start + TEXT_BATCH]) for start in starts])
        similarity: Any = method.similarity(torch.from_numpy(ecg).to(text.device), text)
        return np.asarray(similarity.float().cpu().numpy())
