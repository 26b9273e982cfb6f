"""Weights in files: strict and finite or refused, written in one move; pickle never without weights_only."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmark.api import Method
from benchmark.atomic import atomic_path
from benchmark.errors import BenchmarkError, MissingError, raise_all
from benchmark.weights import values
from benchmark.weights.files import CHECKSUM, checksum, read_file, unreadable
from benchmark.weights.key_hints import hint
from benchmark.weights.torch_files import human

WRAPPERS = ("model_state_dict", "model", "state_dict")  # where a checkpoint may keep its state dict
SPREAD = 16  # tensors may share their numbers (tied weights, a layer used twelve times): their sizes over the file's
SMALL = 1 << 20  # bytes that tensors may have beyond that, so that tiny files pass
BESIDE = "for `state` as its present checkpoint_state returns it: "  # before a hint
MOST_KEYS = 8  # keys listed per kind of mismatch


def load_weights(method: Method, path: Path) -> None:
    """Load a checkpoint file into a method; raise `MissingError` that lists what does not fit or is not finite.

    Every missing, unexpected or mis-shaped key is named, with a hint where a renaming would help, and every tensor that
    holds NaN, an infinite value (also one that becomes infinite in the method's precision) or numbers of another kind
    than the method's.
    """
    if not isinstance(method, torch.nn.Module):
        raise MissingError(f"{type(method).__name__} has no weights to load; remove {path} from its configuration")
    state = _used_state(method, read_state(path, method.checkpoint_entries), path)
    if problems := _misfits(method, state):
        raise_all([*problems, *_hints(method, state)], _does_not_fit(method, str(path)), MissingError)
    load_state(method, state, str(path))


def _hints(method: Method, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the hint for a state that does not fit, as a list of one, or an empty list."""
    assert isinstance(method, torch.nn.Module)
    text = hint(_shapes(method.state_dict()), _shapes(state))
    overridden = type(method).checkpoint_state is not Method.checkpoint_state
    return [f"{BESIDE if overridden else ''}{text}"] if text else []


def _used_state(method: Method, state: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Return what the method takes of a file; raise `MissingError` for whatever its `checkpoint_state` raises."""
    start = _does_not_fit(method, str(path))
    try:
        used_state = method.checkpoint_state(state)
    except BenchmarkError:
        raise
    except ValueError as error:  # the method's own words
        raise MissingError(f"{start} {error}") from error
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise MissingError(
            f"{start} its checkpoint_state raised {type(error).__name__}: {error} (line {place.lineno} of "
            f"{place.filename}); it was given {_brief_list(list(state))}"
        ) from error
    if not _is_state(used_state):
        raise MissingError(
            f"{start} its checkpoint_state must return a dict of tensors by name, not {_kind(used_state)}"
        )
    return used_state


def load_state(module: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Load a state dict with the checks of `load_weights`; errors name `source` as its origin."""
    raise_all(_misfits(module, state), _does_not_fit(module, source), MissingError)
    own = module.state_dict()
    tensors = {key: value for key, value in own.items() if isinstance(value, torch.Tensor)}
    values.refuse(values.look(state, tensors, values.attention_masks(module)), source)
    module.load_state_dict(state)


def _does_not_fit(module: object, source: str) -> str:
    return f"{source} does not fit {type(module).__name__} as configured:"


def _misfits(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Return a line for each name that is missing or unexpected and each tensor of another shape."""
    own = module.state_dict()
    extra = {key for key in own if key.endswith("_extra_state")}  # its size is its content: not compared
    problems = _list_keys("is missing", [key for key in own if key not in state])
    problems += _list_keys("is unexpected", [key for key in state if key not in own])
    return problems + _list_keys(
        "has another shape",
        [
            f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in state and key not in extra and state[key].shape != own[key].shape
        ],
    )


def _shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items() if isinstance(value, torch.Tensor)}


def read_state(path: Path, entries: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """Read a state dict from .safetensors or a torch file (bare or wrapped; a ``module.`` prefix is dropped).

    `entries` are the method's own wrappers (`Method.checkpoint_entries`), which go before the usual ones.
    """
    state = read_file(path)
    for wrapper in (*entries, *WRAPPERS):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not _is_state(state):
        raise MissingError(f"the checkpoint {path} holds no state dict (tensors by name){_content(state)}")
    tensors = {str(key).removeprefix("module."): value for key, value in state.items()}
    _check_spread(tensors, path)
    unusable = [f"{key} is {kind}" for key, value in tensors.items() if (kind := values.unusable(value))]
    if unusable:
        more = f", and {len(unusable) - 1} more" if len(unusable) > 1 else ""
        raise unreadable(path, f"{unusable[0]}{more}, and no method computes with such numbers: write plain ones")
    return tensors


def _is_state(content: object) -> bool:
    return isinstance(content, Mapping) and all(isinstance(value, torch.Tensor) for value in content.values())


def _kind(content: object) -> str:
    """Return a value's kind for a message: ``a dict of 3``, ``int``."""
    return f"a dict of {len(content)}" if isinstance(content, Mapping) else type(content).__name__


def _content(content: object) -> str:
    """Return what a file holds in place of a state dict, and which entry of it is one, as the end of a sentence."""
    if not isinstance(content, Mapping):
        return f" but {_kind(content)}: save model.state_dict()"
    entries = _brief_list([f"{name} ({_kind(value)})" for name, value in content.items()])
    states = [str(name) for name, value in content.items() if value and _is_state(value)]
    if not states:
        return f"; it holds {entries}: save model.state_dict()"
    options = " or ".join(f'checkpoint_entries = ("{name}",)' for name in states[:MOST_KEYS])
    return f"; it holds {entries}: set {options} in the method's class"


def _brief_list(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST_KEYS} more" if len(words) > MOST_KEYS else ""
    return (", ".join(words[:MOST_KEYS]) or "nothing") + more


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
