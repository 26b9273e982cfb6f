"""Predictions in turn: a task is asked once for each division of the folds, and never sees a label that it predicts.

The harness owns the rotation. Each context is made of the labels of its own training and validation folds; those of
the predicted folds are not in it. What comes back is joined in the order of the rotations and scored once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.api import Predictions, Task, TaskContext
from benchmark.errors import BenchmarkError


def predict_in_turn(task: Task, contexts: Sequence[TaskContext]) -> Predictions:
    """Return the predictions of a task in all rotations as one; their `details` are a list under "rotations".

    Raises `BenchmarkError` for thresholds, which would differ from rotation to rotation, and for other rows than those
    of the predicted recordings.
    """
    parts = []
    for number, context in enumerate(contexts):
        context.progress("folds", number, len(contexts))
        parts.append(_verify(task.predict(context), len(context.record_ids("test"))))
    return Predictions(
        {name: np.concatenate([part.arrays[name] for part in parts]) for name in parts[0].arrays},
        details={"rotations": [part.details for part in parts]},
        scratch={name: np.concatenate([part.scratch[name] for part in parts]) for name in parts[0].scratch},
        texts={name: [text for part in parts for text in part.texts[name]] for name in parts[0].texts},
    )


def _verify(predictions: Predictions, count: int) -> Predictions:
    if predictions.thresholds is not None:
        raise BenchmarkError("a task that rotates gives no thresholds: each rotation would have its own")
    both = {**predictions.arrays, **predictions.scratch}
    lengths = {name: len(rows) for name, rows in both.items()}
    wrong = [f"{name} has {length}" for name, length in lengths.items() if length != count]
    if wrong:
        raise BenchmarkError(f"a rotation predicts {count} recordings, {', '.join(wrong)} rows")
    return predictions
