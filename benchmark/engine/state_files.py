"""Sealed files of tensors and plain values: checkpoints to go on from, and trained decoders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from benchmark.atomic import atomic_path
from benchmark.cache.checksums import DamagedFileError, Say, log, seal, usable
from benchmark.errors import MissingError
from benchmark.weights.files import check_file, read_file


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state in one move and flush it to the disk: it may hold days of work."""
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:  # given a path, torch hides what a full disk said
            torch.save(state, file)
        seal(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())


def read_state(path: Path, say: Say = log) -> dict[str, Any] | None:
    """Return a state on the CPU; None where the file is absent, or damaged, which `say` reports."""

    def check(sealed: bool) -> None:
        if not sealed:
            _check_parts(path)

    return _load(path) if usable(path, check, say) else None


def _load(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = read_file(path, lazily=False)  # it outlives the file
    return state


def _check_parts(path: Path) -> None:
    """Raise `DamagedFileError` unless an unsealed file is whole by the checksums of torch's own format."""
    try:
        check_file(path)
    except MissingError as error:
        raise DamagedFileError("it is not what was written") from error
