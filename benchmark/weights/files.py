"""Reading files of weights. Other files, and those that ask for too much memory, are refused before they are loaded."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from benchmark.errors import MissingError
from benchmark.weights.file_kinds import file_kind, foreign_content, text_beginning
from benchmark.weights.torch_files import DAMAGED, Unfit, check_legacy, check_zip

CHECKSUM = "ecgarena.crc32"  # its name in the metadata of a safetensors file
_SCALAR = np.float64(0).__reduce__()[0]  # what a number of numpy is pickled by: a type and bytes, no code
NUMBERS: list[Any] = [  # a validation score, say, that a training left beside its weights
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),  # numpy 1 and 2
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")),
]
OPTIONS = [argparse.Namespace]  # the options of a training, which HeartLang's files keep: names and plain values


def check_file(path: Path) -> str:
    """Return the kind of a file of weights, as `file_kind` names it; raise `MissingError` for any other file.

    This takes no more memory than the description of the tensors, whatever the file asks for.
    """
    try:
        if not path.is_file():
            raise MissingError(f"the checkpoint {path} is {'a folder, not a file' if path.is_dir() else 'missing'}")
        kind = file_kind(path)
        if problem := foreign_content(path):
            raise Unfit(problem)
        if kind is None:
            raise Unfit(_neither(path))
        {"torch": check_zip, "legacy torch": check_legacy, "safetensors": _check_safetensors}[kind](path)
    except Unfit as error:
        raise unreadable(path, str(error)) from error
    except OSError as error:
        raise unreadable(path, error.strerror or type(error).__name__) from error
    return kind


def read_file(path: Path, lazily: bool = True) -> Any:
    """Return the tensors and plain values of a file of weights without running any of its code.

    Of safetensors, and `lazily` of torch files since 1.6, the numbers stay on disk until they are used, so the file
    must stay as it is. Raises `MissingError`.
    """
    kind = check_file(path)
    try:
        if kind == "safetensors":
            return _read_safetensors(path)
        with torch.serialization.safe_globals([*NUMBERS, *OPTIONS]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=lazily and kind == "torch")
    except MissingError:
        raise
    except Exception as error:  # torch raises whatever a damaged file makes it stumble over; its advice is not for us
        raise unreadable(path, DAMAGED) from error


def unreadable(path: Path, reason: str) -> MissingError:
    """Return the error that says why a file of weights is refused."""
    return MissingError(f"the checkpoint {path} cannot be read: {reason}")


def _check_safetensors(path: Path) -> None:
    try:
        with safe_open(path, "pt"):
            pass
    except SafetensorError as error:
        raise Unfit(f"it is no complete .safetensors file ({error}): get it again") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file and verify our checksum if it has one; the format itself has none."""
    with safe_open(path, "pt") as file:
        expected = (file.metadata() or {}).get(CHECKSUM)
    state = load_file(path)
    if expected is not None and checksum(state) != expected:
        raise unreadable(path, DAMAGED)
    return state


def checksum(state: Mapping[str, Tensor]) -> str:
    """Return a checksum of a state dict: of names, dtypes, shapes and values."""
    crc = 0
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        crc = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), crc)
        crc = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def _neither(path: Path) -> str:
    beginning = text_beginning(path)
    content = f"a text that begins with {beginning!r}" if beginning else "neither a torch file nor a .safetensors file"
    return f"it is {content}: get it again, or write the state dict as .safetensors"
