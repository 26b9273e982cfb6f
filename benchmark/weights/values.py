"""Checks of the values of weights: they must be finite and of a dtype that methods compute with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.errors import MissingError

LISTED_TENSORS = 4
KINDS = {  # by the name of the dtype; what is not here (float8, 4 bits) needs a scale that no state dict holds
    **dict.fromkeys(("float64", "float32", "float16", "bfloat16"), "real"),
    **dict.fromkeys(("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"), "whole"),
    **dict.fromkeys(("complex128", "complex64", "complex32"), "complex"),
    "bool": "boolean",
}


@dataclass(frozen=True)
class TensorFacts:
    """Facts of a tensor: `own_dtype` is the method's, `nan` and `infinite` count values in that precision."""

    name: str
    dtype: str
    own_dtype: str
    nan: int
    infinite: int
    size: int

    @property
    def problem(self) -> str | None:
        """Return a sentence that names the tensor and its fault; None where it has none."""
        if KINDS.get(self.dtype) != KINDS.get(self.own_dtype):
            return (
                f"{self.name} holds {KINDS.get(self.dtype, 'unknown')} numbers ({self.dtype}), the method has "
                f"{KINDS.get(self.own_dtype, 'unknown')} ones there ({self.own_dtype})"
            )
        if self.nan or self.infinite:
            return f"{self.name} holds {self.nan} NaN and {self.infinite} infinite values, of {self.size}"
        return None


def refuse(tensors: Iterable[TensorFacts], who: str) -> None:
    """Raise `MissingError`, one sentence that begins with `who`, where tensors have a problem."""
    problems = [facts.problem for facts in tensors if facts.problem]
    if problems:
        more = f"; and {len(problems) - LISTED_TENSORS} more tensors like these" if problems[LISTED_TENSORS:] else ""
        raise MissingError(f"{who} cannot be used: {'; '.join(problems[:LISTED_TENSORS])}{more}")


def unusable(value: Tensor) -> str | None:
    """Return the kind of a tensor that no method can compute with, else None."""
    if value.is_quantized:
        return "quantised"
    if value.layout != torch.strided or value.is_nested:
        return "sparse or nested"
    if value.is_meta:
        return "without numbers"
    return None if _dtype(value) in KINDS else f"of the kind {_dtype(value)}"


def attention_masks(module: nn.Module) -> dict[str, Tensor]:
    """Return where a newly built method's buffers hold -inf, as additive attention masks do."""
    parameters = {name for name, _ in module.named_parameters()}
    buffers = {**dict(module.named_buffers()), **_tensors(module.state_dict())}
    real = {name: value for name, value in buffers.items() if name not in parameters and value.is_floating_point()}
    return {
        name: value == -torch.inf
        for name, value in real.items()
        if _is_plain(value) and _extremes(value)[0] == -torch.inf
    }


def look(state: Mapping[str, Tensor], own: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> list[TensorFacts]:
    """Collect facts of the tensors of `state` in the dtypes of `own` (same names and shapes); `masks` are allowed."""
    return [_facts(name, state[name], own_value, masks.get(name)) for name, own_value in own.items() if name in state]


def look_at_method(method: nn.Module) -> list[TensorFacts]:
    """Collect facts of all current parameters and buffers of a method, whatever their origin."""
    tensors = {**dict(method.named_buffers()), **dict(method.named_parameters())}
    plain = {name: value for name, value in tensors.items() if _is_plain(value)}
    return look(plain, plain, attention_masks(method))


def _is_plain(value: Tensor) -> bool:
    """Whether a method's own tensor holds plain numbers; other kinds are not checked."""
    return not nn.parameter.is_lazy(value) and unusable(value) is None


@torch.no_grad()
def _facts(name: str, value: Tensor, own: Tensor, mask: Tensor | None) -> TensorFacts:
    nan = infinite = 0
    if not _finite(value, own.dtype):
        cast = value.to(own.dtype)
        infinity = cast.isinf() if mask is None else cast.isinf() & ~(mask & (cast == -torch.inf))
        nan, infinite = int(cast.isnan().sum()), int(infinity.sum())
    return TensorFacts(name, _dtype(value), _dtype(own), nan, infinite, value.numel())


def _finite(value: Tensor, dtype: torch.dtype) -> bool:
    """Whether all values are finite and remain so in `dtype`; uses only the extremes, so it takes no memory."""
    if value.is_complex():
        return _finite(torch.view_as_real(value), torch.float64)
    if not value.is_floating_point() or not dtype.is_floating_point:
        return True
    low, high = _extremes(value)
    return -torch.finfo(dtype).max <= low and high <= torch.finfo(dtype).max


def _extremes(value: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest value; NaN if any value is."""
    if not value.numel():
        return 0.0, 0.0
    low, high = value.detach().aminmax()
    return float(low), float(high)


def _tensors(state: Mapping[str, object]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
