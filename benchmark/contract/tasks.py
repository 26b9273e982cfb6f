"""What `benchmark.api` promises of a task: it predicts without test labels, the same twice, and scoring is pure."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.api import REPORTS, Method, Predictions, Scores, Task, TaskContext, TrainableMethod, Truth
from benchmark.contract import Checks
from benchmark.registry import METHODS

if TYPE_CHECKING:
    from benchmark.engine.method_handle import MethodHandle

SMALL: Mapping[str, dict[str, Any]] = {  # methods that it may be asked of, the cheapest first
    "random_init": {"width": 8, "rate": 100.0},
    "merl": {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"},
    "supervised": {"width": 8, "rate": 100.0},
}
PATIENTS = 120


def task_checks(task: Task, name: str = "task") -> Checks:
    """Checks by name; the task is asked of a small method on synthetic recordings."""

    @functools.cache
    def world() -> _World:
        return _World(task, name)

    def asked_of_some_method() -> None:
        world()

    def is_a_question() -> None:
        assert is_dataclass(task) and task.__dataclass_params__.frozen, (
            "a task is a frozen dataclass, its fields are the grid of a suite (Task)"
        )
        assert isinstance(getattr(task, "primary", None), str), (
            "primary: the name of the metric that ranks (Task.primary)"
        )

    def predicts_without_test_labels() -> None:
        predictions = world().predictions
        count = len(world().truth.record_ids)
        assert isinstance(predictions, Predictions), (
            f"predict: Predictions expected, {type(predictions).__name__} came (Task.predict)"
        )
        sizes = {key: len(rows) for key, rows in predictions.arrays.items()}
        sizes |= {key: len(texts) for key, texts in predictions.texts.items()}
        for key, size in sizes.items():
            assert size == count, f"predict: {key} has {size} rows for {count} recordings of test (Predictions)"
        json.dumps(predictions.details)

    def answers_the_same_twice() -> None:
        first, again = world().predictions, task.predict(world().context())
        assert first.texts == again.texts, "predict: other texts the second time (an unseeded draw?)"
        for key, values in first.arrays.items():
            assert np.array_equal(values, again.arrays[key], equal_nan=True), (
                f"predict: other {key} the second time (an unseeded draw?)"
            )

    def scores_its_primary_metric() -> None:
        found = world().scores()
        assert isinstance(found, Scores), f"score: Scores expected, {type(found).__name__} came (Task.score)"
        assert task.primary in found.metrics or found.notes, (
            f"score: no {task.primary} among {', '.join(found.metrics)}, and no note that says why (Scores)"
        )
        wrong = [key for key, value in found.metrics.items() if not np.isfinite(value)]
        assert not wrong, f"score: {', '.join(wrong)} is no number; leave it out and say why in the notes (Scores)"

    def scoring_is_pure() -> None:
        assert world().scores().metrics == world().scores().metrics, "score: other metrics the second time (Task.score)"

    return {
        "question": is_a_question,
        "method": asked_of_some_method,
        "predict": predicts_without_test_labels,
        "determinism": answers_the_same_twice,
        "score": scores_its_primary_metric,
        "purity": scoring_is_pure,
    }


class _World:
    """Synthetic recordings, a method that the task can be asked of, its answer and the truth."""

    def __init__(self, task: Task, name: str) -> None:
        from benchmark.data.labels.labelled_rows import LabelledRows
        from benchmark.data.store.preparation import prepare
        from benchmark.paths import Home

        self.task, self.name = task, name
        self._folder = tempfile.TemporaryDirectory()  # lives as long as the checks do
        self.home = Home(Path(self._folder.name))
        self.data = prepare("synthetic", {"patients": PATIENTS}, self.home)
        self.label_set = "conditions" if task.needs_labels else REPORTS
        self.rows = LabelledRows.of(self.data, self.label_set, None)
        self.truth: Truth = self.rows.truth(self.data)
        self.handle = self._handle()
        self.predictions = task.predict(self.context())

    def context(self) -> TaskContext:
        from benchmark.engine.context import CellContext, CellInputs

        return CellContext(CellInputs(self.data, self.rows, self.handle, "synthetic", self.label_set, self.home))

    def scores(self) -> Scores:
        return self.task.score(self.predictions, self.truth)

    def _handle(self) -> MethodHandle:
        from benchmark.engine.method_handle import MethodHandle

        reasons = []
        for name, config in SMALL.items():
            cls: type[Method] = METHODS.get(name)
            reason = self.task.skip_reason(cls, "synthetic", self.label_set)
            if reason is None:
                handle = MethodHandle(name, config, cls.card.version, None, None, "cpu")
                if issubclass(cls, TrainableMethod) and name == "merl":
                    handle.method.start_pretraining(list(self.data.reports))  # type: ignore[attr-defined]
                return handle
            reasons.append(f"{name}: {reason}")
        raise AssertionError(
            "skip_reason: it can be asked of none of these methods (Task.skip_reason):\n  " + "\n  ".join(reasons)
        )
