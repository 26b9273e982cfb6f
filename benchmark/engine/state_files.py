"""Sealed files of tensors and plain values: checkpoints to go on from, and trained decoders."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from benchmark.atomic import atomic_path
from benchmark.cache.checksums import DamagedFileError, Say, log, seal, usable


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state in one move, and to the disk itself: it may stand for days of work."""
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:  # given a path, torch hides what a full disk said
            torch.save(state, file)
        seal(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())


def read_state(path: Path, say: Say = log) -> dict[str, Any] | None:
    """Return a state on the CPU; None where there is none, or none that is whole, which `say` hears."""

    def check(sealed: bool) -> None:
        if not sealed:
            _check_parts(path)

    return _load(path) if usable(path, check, say) else None


def _load(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _check_parts(path: Path) -> None:
    """Raise `DamagedFileError` unless an unsealed file is whole by the checksums of torch's own format."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        _load(path)
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DamagedFileError(f"it is no file of tensors: {reason}") from None
    if damaged:
        raise DamagedFileError(f"its part {damaged} is not what was written")
