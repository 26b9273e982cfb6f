"""Weights in files: strict and finite or refused, written in one move; pickle never without weights_only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmark.api import Method
from benchmark.atomic import atomic_path
from benchmark.errors import MissingError, raise_all
from benchmark.weights import values
from benchmark.weights.files import CHECKSUM, checksum, read_file, unreadable
from benchmark.weights.torch_files import human

WRAPPERS = ("model_state_dict", "model", "state_dict")  # where a checkpoint may keep its state dict
SPREAD = 16  # tensors may share their numbers (tied weights, a layer used twelve times): their sizes over the file's
SMALL = 1 << 20  # bytes that tensors may have beyond that, so that tiny files pass
MOST_KEYS = 8  # keys listed per kind of mismatch


def load_weights(method: Method, path: Path) -> None:
    """Load a checkpoint file into a method; raise `MissingError` that lists what does not fit or is not finite.

    Every missing, unexpected or mis-shaped key is named, and every tensor that holds NaN, an infinite value (also one
    that becomes infinite in the method's precision) or numbers of another kind than the method's.
    """
    if not isinstance(method, torch.nn.Module):
        raise MissingError(f"{type(method).__name__} has no weights to load; remove {path} from its configuration")
    try:
        state = method.checkpoint_state(read_state(path, method.checkpoint_entries))
    except ValueError as error:
        raise MissingError(f"{path} does not fit {type(method).__name__} as configured: {error}") from error
    load_state(method, state, str(path))


def load_state(module: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Load a state dict with the checks of `load_weights`; errors name `source` as its origin."""
    own = module.state_dict()
    extra = {key for key in own if key.endswith("_extra_state")}  # its size is its content: not compared
    problems = _list_keys("is missing", [key for key in own if key not in state])
    problems += _list_keys("is unexpected", [key for key in state if key not in own])
    problems += _list_keys(
        "has another shape",
        [
            f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in state and key not in extra and state[key].shape != own[key].shape
        ],
    )
    raise_all(problems, f"{source} does not fit {type(module).__name__} as configured:", MissingError)
    tensors = {key: value for key, value in own.items() if isinstance(value, torch.Tensor)}
    values.refuse(values.look(state, tensors, values.attention_masks(module)), source)
    module.load_state_dict(state)


def read_state(path: Path, entries: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """Read a state dict from .safetensors or a torch file (bare or wrapped; a ``module.`` prefix is dropped).

    `entries` are the method's own wrappers (`Method.checkpoint_entries`), which go before the usual ones.
    """
    state = read_file(path)
    for wrapper in (*entries, *WRAPPERS):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise MissingError(f"the checkpoint {path} holds no state dict (tensors by name)")
    tensors = {str(key).removeprefix("module."): value for key, value in state.items()}
    _check_spread(tensors, path)
    unusable = [f"{key} is {kind}" for key, value in tensors.items() if (kind := values.unusable(value))]
    if unusable:
        more = f", and {len(unusable) - 1} more" if len(unusable) > 1 else ""
        raise unreadable(path, f"{unusable[0]}{more}, and no method computes with such numbers: write plain ones")
    return tensors


def _check_spread(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Refuse tensors far larger than their file: strides of 0 and many names for one tensor cost nothing to write."""
    size, spread = path.stat().st_size, sum(value.numel() * value.element_size() for value in state.values())
    if spread > SPREAD * size + SMALL:
        raise unreadable(path, f"it spreads {human(size)} over tensors of {human(spread)}: write them contiguous")


def save_weights(method: torch.nn.Module, path: Path) -> None:
    """Write the state dict as .safetensors in one move, with a checksum; raise `MissingError` if it is not finite."""
    values.refuse(
        values.look_at_method(method), f"{type(method).__name__}, whose weights were to be written to {path},"
    )
    state = {key: value.detach().cpu().contiguous().clone() for key, value in method.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary, {CHECKSUM: checksum(state)})


def _list_keys(problem: str, keys: list[str]) -> list[str]:
    more = [f"... and {len(keys) - MOST_KEYS} more like it"] if len(keys) > MOST_KEYS else []
    return [f"{key} {problem}" for key in keys[:MOST_KEYS]] + more
