"""Weights in files: loaded strictly or not at all, written in one move; pickle never without weights_only."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from benchmark.api import Method
from benchmark.atomic import atomic_path
from benchmark.errors import MissingError, raise_all

WRAPPERS = ("model_state_dict", "model", "state_dict")  # where a checkpoint may keep its state dict
_SCALAR = np.float64(0).__reduce__()[0]  # what a number of numpy is pickled by: a type and bytes, no code
NUMBERS: list[Any] = [  # a validation score, say, that a training left beside its weights
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),  # numpy 1 and 2
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")),
]
SHOWN = 8  # keys listed per kind of mismatch


def load_weights(method: Method, path: Path) -> None:
    """Load a checkpoint file into a method; every missing, unexpected or mis-shaped key is listed."""
    if not isinstance(method, torch.nn.Module):
        raise MissingError(f"{type(method).__name__} has no weights to load; remove {path} from its configuration")
    try:
        state = method.checkpoint_state(read_state(path))
    except ValueError as error:
        raise MissingError(f"{path} does not fit {type(method).__name__} as configured: {error}") from error
    own = method.state_dict()
    extra = {key for key in own if key.endswith("_extra_state")}  # its size is its content: not compared
    problems = _listed("is missing", [key for key in own if key not in state])
    problems += _listed("is unexpected", [key for key in state if key not in own])
    problems += _listed(
        "has another shape",
        [
            f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in state and key not in extra and state[key].shape != own[key].shape
        ],
    )
    raise_all(problems, f"{path} does not fit {type(method).__name__} as configured:", MissingError)
    method.load_state_dict(state)


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from .safetensors or a torch file (bare or wrapped; a ``module.`` prefix is dropped)."""
    if not path.is_file():
        raise MissingError(f"the checkpoint {path} is missing")
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            with torch.serialization.safe_globals(NUMBERS):
                state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingError(
            f"the checkpoint {path} cannot be read: {reason} (only tensors and plain values are read, no code is run; "
            "where you trust a file's source, open it there and write its state dict as .safetensors)"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise MissingError(f"the checkpoint {path} holds no state dict (tensors by name)")
    return {key.removeprefix("module."): value for key, value in state.items()}


def save_weights(method: torch.nn.Module, path: Path) -> None:
    """Write the state dict as .safetensors in one move."""
    state = {key: value.detach().cpu().contiguous().clone() for key, value in method.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary)


def _listed(what: str, keys: list[str]) -> list[str]:
    more = [f"... and {len(keys) - SHOWN} more like it"] if len(keys) > SHOWN else []
    return [f"{key} {what}" for key in keys[:SHOWN]] + more
