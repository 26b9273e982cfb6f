"""Counts how often a computation would wait for an accelerator, on a machine without one.

The device is torch's ``meta``: its tensors have shapes and no values. All that a GPU has to be waited for is seen here:
a number that is read, a result whose size depends on values, a copy to the CPU, and a copy from it that is not queued.
Each is counted with the line of ours that asked for it and answered with made-up values, so that all are found at once.
"""

from __future__ import annotations

import functools
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("methods", "benchmark")
DEVICE = "meta"
FROM_CPU, BY_VALUES = "copies from the CPU and waits", "has a size that depends on values"
aten = torch.ops.aten
SIZED_BY_VALUES = {
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.repeat_interleave.Tensor,
    aten.bincount.default,
}


class Waits:
    """A context that counts waits; `lines` has ``FILE: code`` of ours and how often it waited."""

    def __init__(self) -> None:
        self.lines: Counter[str] = Counter()
        self._modes = (_Operations(self), _Constructors(self))
        self._autocast = torch.autocast

    def note(self, kind: str) -> None:
        frames = [frame for frame in traceback.extract_stack() if _is_ours(frame.filename)]
        where = f"{Path(frames[-1].filename).relative_to(ROOT)}: {frames[-1].line}" if frames else "?"
        self.lines[f"{where} [{kind}]"] += 1

    def __enter__(self) -> Waits:
        def autocast(kind: str, *args: Any, **options: Any) -> torch.autocast:
            return self._autocast("cpu" if kind == DEVICE else kind, *args, **options)  # it knows no meta device

        torch.autocast = autocast  # type: ignore[misc, assignment]
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)
        torch.autocast = self._autocast  # type: ignore[misc]


class _Operations(TorchDispatchMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if func in (aten._to_copy.default, aten.copy_.default):
            return self._copy(func, args, kwargs)
        if func in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default):
            indices = [self._index(index, args[0]) for index in args[1]]
            return func(args[0], _flat(indices), *args[2:], **kwargs)
        if first is None or first.device.type != DEVICE:
            return func(*args, **kwargs)
        if func is aten._local_scalar_dense.default:
            self.waits.note("reads a number")
            return 1.0 if first.is_floating_point() else 1
        if func in SIZED_BY_VALUES:
            self.waits.note(BY_VALUES)
            result = func(*map(_made_up, args), **kwargs)
            return tree_map_only(Tensor, lambda x: x.to(DEVICE, non_blocking=True), result)
        return func(*args, **kwargs)

    def _copy(self, func: Any, args: Any, kwargs: Any) -> Any:
        copy = func is aten.copy_.default
        source, target = (args[1], args[0].device) if copy else (args[0], kwargs.get("device") or args[0].device)
        is_queued = kwargs.get("non_blocking", len(args) > 2 and args[2])
        if source.device.type == DEVICE and torch.device(target).type == "cpu":
            self.waits.note("copies to the CPU")
            return func(*map(_made_up, args), **kwargs)
        if source.device.type == "cpu" and torch.device(target).type == DEVICE and not is_queued:
            self.waits.note(FROM_CPU)
        return func(*args, **kwargs)

    def _index(self, index: Tensor | None, values: Tensor) -> Any:
        if index is None or values.device.type != DEVICE:
            return index
        if index.dtype in (torch.bool, torch.uint8) and index.device.type == DEVICE:
            self.waits.note("selects by a mask")
            return [torch.zeros(index.numel(), dtype=torch.long, device=DEVICE)] * index.ndim
        if index.device.type == "cpu":
            self.waits.note("selects by an index on the CPU")
        return index


class _Constructors(TorchFunctionMode):
    """Sees ``torch.tensor(values, device=device)``, whose copy no dispatch mode sees."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and torch.device(kwargs.get("device") or "cpu").type == DEVICE:
            self.waits.note(FROM_CPU)
        return func(*args, **kwargs)


def _flat(indices: list[Any]) -> list[Tensor | None]:
    return functools.reduce(lambda all, one: all + (one if isinstance(one, list) else [one]), indices, [])


def _made_up(value: Any) -> Any:
    return torch.ones(value.shape, dtype=value.dtype) if isinstance(value, Tensor) and value.is_meta else value


def _is_ours(file: str) -> bool:
    is_transfer = file.endswith("methods/nn/transfer.py")  # its callers are the lines to name
    return not is_transfer and any(file.startswith(str(ROOT / folder)) for folder in FOLDERS)
