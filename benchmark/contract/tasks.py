"""Checks of a task: it predicts without test labels, twice the same, and its scoring is a pure function."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.api import LEADS, REPORTS, Method, Predictions, Scores, Task, TaskContext, TrainableMethod, Truth
from benchmark.contract import Checks
from benchmark.errors import BenchmarkError
from benchmark.registry import DATASETS, METHODS

if TYPE_CHECKING:
    from benchmark.data.labels.labelled_rows import LabelledRows
    from benchmark.data.store.prepared import PreparedDataset
    from benchmark.engine.context import CellContext
    from benchmark.engine.method_handle import MethodHandle

SMALL: Mapping[str, dict[str, Any]] = {  # the methods to try, the cheapest first
    "random_init": {"width": 8, "rate": 100.0},
    "merl": {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"},
    "supervised": {"width": 8, "rate": 100.0},
}
PATIENTS = 120
MOST = 300  # recordings of each split of data at hand: a check is no result, and should take seconds


@dataclass(frozen=True)
class DataAtHand:
    """A prepared dataset and the label set to ask a task on, in place of synthetic recordings."""

    data: PreparedDataset
    dataset: str
    label_set: str


def task_checks(task: Task, name: str = "task", at_hand: DataAtHand | None = None) -> Checks:
    """Return the checks by name; the task runs with a small method on synthetic recordings, or on the data at hand."""

    @functools.cache
    def trial() -> _Trial:
        return _Trial(task, name, at_hand)

    def runs_with_some_method() -> None:
        trial()

    def is_frozen_and_ranked() -> None:
        assert is_dataclass(task) and task.__dataclass_params__.frozen, (
            "a task is a frozen dataclass, its fields are the grid of a suite (Task)"
        )
        assert isinstance(getattr(task, "primary", None), str), (
            "primary: the name of the metric that ranks (Task.primary)"
        )

    def predicts_without_test_labels() -> None:
        predictions = trial().predictions
        count = len(trial().truth.record_ids)
        assert isinstance(predictions, Predictions), (
            f"predict: Predictions expected, {type(predictions).__name__} came (Task.predict)"
        )
        sizes = {key: len(rows) for key, rows in predictions.arrays.items()}
        sizes |= {key: len(texts) for key, texts in predictions.texts.items()}
        for key, size in sizes.items():
            assert size == count, f"predict: {key} has {size} rows for {count} recordings of test (Predictions)"
        json.dumps(predictions.details)

    def predicts_the_same_twice() -> None:
        first, again = trial().predictions, task.predict(trial().context())
        assert first.texts == again.texts, "predict: other texts the second time (an unseeded draw?)"
        for key, values in first.arrays.items():
            assert np.array_equal(values, again.arrays[key], equal_nan=True), (
                f"predict: other {key} the second time (an unseeded draw?)"
            )

    def scores_its_primary_metric() -> None:
        scores = trial().scores()
        assert isinstance(scores, Scores), f"score: Scores expected, {type(scores).__name__} came (Task.score)"
        assert task.primary in scores.metrics or scores.notes, (
            f"score: no {task.primary} among {', '.join(scores.metrics)}, and no note that says why (Scores)"
        )
        infinite = [key for key, value in scores.metrics.items() if not np.isfinite(value)]
        assert not infinite, (
            f"score: {', '.join(infinite)} is no number; leave it out and say why in the notes (Scores)"
        )

    def scoring_is_pure() -> None:
        assert trial().scores().metrics == trial().scores().metrics, "score: other metrics the second time (Task.score)"

    return {
        "question": is_frozen_and_ranked,
        "method": runs_with_some_method,
        "predict": predicts_without_test_labels,
        "determinism": predicts_the_same_twice,
        "score": scores_its_primary_metric,
        "purity": scoring_is_pure,
    }


class _Trial:
    """A label set and a small method that the task accepts, its predictions and the truth.

    The recordings are synthetic. A label set of another dataset gets its classes and the labels of synthetic
    conditions, so that a task which needs a certain dataset is checked without that dataset's files.
    """

    def __init__(self, task: Task, name: str, at_hand: DataAtHand | None = None) -> None:
        from benchmark.paths import Home

        self.task, self.name, self.at_hand = task, name, at_hand
        self._folder = tempfile.TemporaryDirectory()  # lives as long as the checks do
        self.home = Home(Path(self._folder.name))
        self.data = _recordings()[1] if at_hand is None else at_hand.data
        self.dataset, self.label_set, self.handle = self._choose_cell()
        self.rows = self._labels(self.dataset, self.label_set)
        self.truth: Truth = self.rows.truth(self.data)
        self.predictions = task.predict(self.context())

    def context(self) -> TaskContext:
        source = self.task.learns_from()
        return self._context(self.dataset, self.label_set, None if source is None else self._context(*source))

    def scores(self) -> Scores:
        return self.task.score(self.predictions, self.truth)

    def _context(self, dataset: str, label_set: str, source: CellContext | None = None) -> CellContext:
        from benchmark.engine.context import CellContext, CellInputs

        rows = self._labels(dataset, label_set)
        extracted = None if self.at_hand is None else np.unique(np.concatenate(list(rows.rows.values())))
        inputs = CellInputs(
            self.data, rows, self.handle, dataset, label_set, self.home, extracted=extracted, source_dataset=source
        )
        return CellContext(inputs)

    def _labels(self, dataset: str, label_set: str) -> LabelledRows:
        """Return the labels of the synthetic dataset itself, or those of its conditions under other classes."""
        from benchmark.data.labels.labelled_rows import LabelledRows

        if self.at_hand is not None:
            assert dataset == self.at_hand.dataset, f"it learns from {dataset} too, which is not at hand here"
            return LabelledRows.of(self.data, label_set, MOST)
        if dataset == "synthetic":
            return LabelledRows.of(self.data, label_set, None)
        classes = DATASETS.get(dataset).all_label_sets().get(label_set)
        assert classes is not None, f"the dataset {dataset} has no label set {label_set!r} (Task.learns_from)"
        own = LabelledRows.of(self.data, "conditions", None)
        columns = np.arange(len(classes)) % len(own.classes)
        labels = {split: matrix[:, columns] for split, matrix in own.labels.items()}
        view = LabelledRows(tuple(classes), own.rows, labels, f"{dataset}/{label_set}")
        sparse = DATASETS.get(dataset).sparse_label_sets.get(label_set)
        return view if sparse is None else _with_unknown(view, sparse.kinds)

    def _choose_cell(self) -> tuple[str, str, MethodHandle]:
        """Return dataset, label set and method of the first cell that the task does not skip."""
        reasons: dict[str, str] = {}
        at_hand = self.at_hand
        places = _label_sets(self.task) if at_hand is None else [(at_hand.dataset, at_hand.label_set)]
        for dataset, label_set in places:
            for method in SMALL:
                reason = self._skip_reason(method, dataset, label_set)
                if reason is None:
                    return dataset, label_set, self._handle(method)
                reasons.setdefault(f"{method}: {reason}", f"{dataset}/{label_set}, {method}: {reason}")
        raise AssertionError(
            "skip_reason: the task skips all of these methods on all of these label sets (Task.skip_reason):\n  "
            + "\n  ".join(reasons.values())
        )

    def _skip_reason(self, method: str, dataset: str, label_set: str) -> str | None:
        """Return why the task is skipped; on a prepared dataset for all the reasons of a plan."""
        if self.at_hand is None:
            return self.task.skip_reason(METHODS.get(method), dataset, label_set)
        from benchmark.planning.skips import skip_reason_of

        return skip_reason_of(self.task, method, dataset, label_set)

    def _handle(self, name: str) -> MethodHandle:
        from benchmark.engine.method_handle import MethodHandle

        cls: type[Method] = METHODS.get(name)
        handle = MethodHandle(name, SMALL[name], cls.card.version, None, None, "cpu")
        if issubclass(cls, TrainableMethod) and name == "merl":
            handle.method.start_pretraining([text for text in self.data.reports if text.strip()])  # type: ignore[attr-defined]
        return handle


def _with_unknown(view: LabelledRows, kinds: Mapping[str, str]) -> LabelledRows:
    """Return the labels as those of a sparse label set: a third of them unknown, and a lead for each that is there."""
    labels, leads = {}, {}
    for split, matrix in view.labels.items():
        rows, places = np.arange(len(matrix))[:, None], np.arange(matrix.shape[1])[None]
        labels[split] = np.where((rows + places) % 3 == 0, np.nan, matrix).astype(np.float32)
        leads[split] = (labels[split] == 1)[:, :, None] & (places[:, :, None] % len(LEADS) == np.arange(len(LEADS)))
    return replace(view, labels=labels, kinds=kinds, leads=leads)


@functools.cache
def _recordings() -> tuple[tempfile.TemporaryDirectory[str], PreparedDataset]:
    """Prepare the synthetic recordings, once per process; the folder is deleted when the process ends."""
    from benchmark.data.store.preparation import prepare
    from benchmark.paths import Home

    folder = tempfile.TemporaryDirectory()
    return folder, prepare("synthetic", {"patients": PATIENTS}, Home(Path(folder.name)))


def _label_sets(task: Task) -> Iterator[tuple[str, str]]:
    """Yield the label sets to try the task on: a synthetic one first, then those of all other datasets."""
    if task.reads_unknown:
        for name in DATASETS.names():
            yield from ((name, label_set) for label_set in DATASETS.get(name).sparse_label_sets)
        return
    if task.predicts_numbers:
        yield from (("synthetic", target) for target in DATASETS.get("synthetic").targets)
        return
    yield "synthetic", "conditions" if task.needs_labels else REPORTS
    for dataset in DATASETS.names():
        if dataset != "synthetic":
            with contextlib.suppress(BenchmarkError):  # a broken plug-in is not the fault of this task
                yield from ((dataset, label_set) for label_set in DATASETS.get(dataset).label_sets)
