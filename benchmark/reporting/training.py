"""Train a report decoder once for all cells that differ only in decoding; killed trainings resume.

``decoders/<method>-<digest>.pt`` holds the finished weights with their history; during the training the checkpoint of
the shared loop is beside it. A file that is damaged, or made by other code, is replaced.
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
    """Train `learner` in place, or load it from `file`; return ``history``, ``choice`` (the best epoch), ``seconds``.

    `pairs` are those of train and val. Raises `UsageError` where either has no report.
    """
    empty = [split for split, split_pairs in pairs.items() if not len(split_pairs)]
    if empty:
        raise UsageError(f"{title}: no recording of {' or '.join(empty)} has a report")
    learner.to(device)
    if file is None:
        return _run_training(learner, pairs, config, title, on_event, device, None, encoder_rate)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        identity = training_identity.of(learner, pairs["train"].digest, config)
        earlier = _read_earlier(file, identity, on_event)
        if earlier is not None and _load(learner, earlier.pop("state"), file, on_event):
            return earlier
        checkpoint = file.with_suffix(".training")
        result = _run_training(learner, pairs, config, title, on_event, device, checkpoint, encoder_rate)
        state = {name: value.cpu() for name, value in learner.state_dict().items()}
        write_state(file, {"state": state, "identity": identity, **result})
        checkpoint.unlink(missing_ok=True)
        return result


def _read_earlier(file: Path, identity: dict[str, Any], on_event: EventSink) -> dict[str, Any] | None:
    """Return weights and history of a trained decoder; None where there is none, or only one of another training.

    Files of older code have no identity; for them the name, which includes data and recipe, must be enough.
    """
    content = read_state(file, notes_to(on_event))
    if content is None:
        return None
    difference = training_identity.difference(content.pop("identity", identity), identity)
    if difference:
        on_event(Event("note", f"{file} is made anew: {difference}"))
    return None if difference else content


def _load(learner: Learner, state: dict[str, Any], file: Path, on_event: EventSink) -> bool:
    """Load a trained decoder; return False, with a note, if its weights are not numbers."""
    try:
        load_state(learner, state, str(file))
    except MissingError as error:
        on_event(Event("note", f"a decoder is trained anew: {error}"))
        return False
    return True


def _run_training(
    learner: Learner,
    pairs: dict[str, Pairs],
    config: TrainingConfig,
    title: str,
    on_event: EventSink,
    device: str,
    checkpoint: Path | None,
    encoder_rate: float,
) -> dict[str, Any]:
    start_time = time.monotonic()

    def validate(progress: Progress) -> dict[str, float]:
        return mean_losses(learner, pairs["val"], config, device)

    groups = learner.rate_groups(encoder_rate)
    progress = train(learner, pairs["train"], config, title, on_event, device, checkpoint, validate, groups=groups)
    seconds = round(time.monotonic() - start_time, 2)
    return {"history": progress.history, "choice": progress.best, "seconds": seconds}
