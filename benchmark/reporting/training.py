"""Train a report decoder once for all cells that differ only in how they write; killed trainings go on.

``decoders/<method>-<digest>.pt`` holds the finished weights with their history; beside it, while the training lasts,
lies the checkpoint of the shared loop.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from benchmark.atomic import atomic_path
from benchmark.engine.checkpoints import load_state, read_own
from benchmark.engine.events import Event, EventSink
from benchmark.engine.training import Progress, mean_losses, train
from benchmark.errors import MissingError, UsageError
from benchmark.planning.training_config import TrainingConfig
from benchmark.reporting.learner import Learner
from benchmark.reporting.recordings import Pairs


def train_decoder(
    learner: Learner,
    pairs: dict[str, Pairs],
    config: TrainingConfig,
    title: str,
    on_event: EventSink,
    device: str,
    file: Path | None,
    encoder_rate: float,
) -> dict[str, Any]:
    """Train `learner` in place, or load it from `file`; returns ``history``, ``choice`` (the best epoch), ``seconds``.

    `pairs` are those of train and val. Raises `UsageError` where either has no report.
    """
    empty = [split for split, found in pairs.items() if not len(found)]
    if empty:
        raise UsageError(f"{title}: no recording of {' or '.join(empty)} has a report")
    learner.to(device)
    if file is None:
        return _trained(learner, pairs, config, title, on_event, device, None, encoder_rate)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        result = _load(learner, file, on_event) if file.is_file() else None
        if result is not None:
            return result
        checkpoint = file.with_suffix(".training")
        told = _trained(learner, pairs, config, title, on_event, device, checkpoint, encoder_rate)
        state = {name: value.cpu() for name, value in learner.state_dict().items()}
        with atomic_path(file) as temporary:
            torch.save({"state": state, **told}, temporary)
        checkpoint.unlink(missing_ok=True)
        return told


def _load(learner: Learner, file: Path, on_event: EventSink) -> dict[str, Any] | None:
    """Load a trained decoder; None, with a note, where its file is damaged: the next one takes its place."""
    try:
        contents = read_own(file)
        load_state(learner, contents.pop("state", {}), str(file))
    except MissingError as error:
        on_event(Event("note", f"a decoder is trained anew: {error}"))
        return None
    return contents


def _trained(
    learner: Learner,
    pairs: dict[str, Pairs],
    config: TrainingConfig,
    title: str,
    on_event: EventSink,
    device: str,
    checkpoint: Path | None,
    encoder_rate: float,
) -> dict[str, Any]:
    started = time.monotonic()

    def validate(progress: Progress) -> dict[str, float]:
        return mean_losses(learner, pairs["val"], config, device)

    groups = learner.rate_groups(encoder_rate)
    progress = train(learner, pairs["train"], config, title, on_event, device, checkpoint, validate, groups=groups)
    seconds = round(time.monotonic() - started, 2)
    return {"history": progress.history, "choice": progress.best, "seconds": seconds}
