"""Train a report decoder once for all cells that differ only in how they write; killed trainings go on.

``decoders/<method>-<digest>.pt`` holds the finished weights with their history; beside it, while the training lasts,
lies the checkpoint of the shared loop. What is damaged, or was trained by other code, is made anew.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmark.engine import training_identity
from benchmark.engine.checkpoints import load_state
from benchmark.engine.events import Event, EventSink, notes_to
from benchmark.engine.state_files import read_state, write_state
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
        identity = training_identity.of(learner, pairs["train"].digest, config)
        before = _trained_before(file, identity, on_event)
        if before is not None and _load(learner, before.pop("state"), file, on_event):
            return before
        checkpoint = file.with_suffix(".training")
        result = _trained(learner, pairs, config, title, on_event, device, checkpoint, encoder_rate)
        state = {name: value.cpu() for name, value in learner.state_dict().items()}
        write_state(file, {"state": state, "identity": identity, **result})
        checkpoint.unlink(missing_ok=True)
        return result


def _trained_before(file: Path, identity: dict[str, Any], on_event: EventSink) -> dict[str, Any] | None:
    """Return the weights and history of a trained decoder; None where there is none, or none of this very training.

    Older code did not keep the identity: then the name, which has data and recipe in it, must do.
    """
    content = read_state(file, notes_to(on_event))
    if content is None:
        return None
    other = training_identity.difference(content.pop("identity", identity), identity)
    if other:
        on_event(Event("note", f"{file} is made anew: {other}"))
    return None if other else content


def _load(learner: Learner, state: dict[str, Any], file: Path, on_event: EventSink) -> bool:
    """Load a trained decoder; False, with a note, where its weights are not numbers: it is then trained anew."""
    try:
        load_state(learner, state, str(file))
    except MissingError as error:
        on_event(Event("note", f"a decoder is trained anew: {error}"))
        return False
    return True


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
