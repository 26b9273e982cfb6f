"""Training of a method on a labelled subset; the best epoch by validation is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from benchmark.api import SupervisedMethod, TaskContext
from benchmark.engine.training import Progress, train
from benchmark.planning.training_config import TrainingConfig, number_of_epochs

VALIDATIONS = 5  # per training at most: one costs as much as training on the 1 % subset
AT_ONCE = 64  # recordings that are scored in one batch

History = list[dict[str, float]]


def train_and_choose(
    context: TaskContext,
    method: SupervisedMethod,
    rows: np.ndarray,
    options: Mapping[str, Any],
    val_score: Callable[[np.ndarray], float],
    groups: list[dict[str, Any]] | None = None,
    resumable: bool = False,
) -> tuple[dict[str, np.ndarray], History]:
    """Train `method` on `rows` of train; keep the best of `VALIDATIONS` epochs by `val_score`.

    Returns logits of val and test, and the history of the training. With `resumable` a killed training goes
    on, to the same bits.
    """
    assert isinstance(method, torch.nn.Module)
    signals = context.signals("train", method.signal, rows)
    config = TrainingConfig.from_options(dict(options), "training")
    epochs = number_of_epochs(len(signals), config)
    watched = {round(epochs * (part + 1) / VALIDATIONS) for part in range(VALIDATIONS)}

    val_logits: dict[int, np.ndarray] = {}  # by epoch

    def validate(progress: Progress) -> dict[str, float]:
        if progress.epoch not in watched:
            return {}
        val_logits[progress.epoch] = class_scores(context, method, "val")
        return {"val_score": val_score(val_logits[progress.epoch])}

    title = f"training {context.method_name} on {len(signals)} recordings"
    checkpoint = context.scratch("training.pt") if resumable else None
    progress = train(
        method,
        signals,
        config,
        title,
        context.on_event,
        context.device,
        checkpoint,
        validate,
        groups=groups,
        best_by="val_score",
    )
    val = val_logits.get(int(progress.best.get("epoch", 0)))  # None where the epoch was before a restart
    val = class_scores(context, method, "val") if val is None else val
    return {"val": val, "test": class_scores(context, method, "test")}, progress.history


def class_scores(context: TaskContext, method: SupervisedMethod, split: str) -> np.ndarray:
    """Return logits ``(recording, class)`` of a split."""
    signals = context.signals(split, method.signal)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(signals), AT_ONCE):
            ecg = signals.batch(np.arange(start, min(start + AT_ONCE, len(signals)))).ecg
            parts.append(method.class_scores(ecg.to(context.device)).float().cpu().numpy())
    return np.concatenate(parts)
