"""Checks of a method's outputs, shared by ``ecgarena check`` and the first look of every run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.api import AlignedMethod, Method, SequenceMethod, SupervisedMethod

Outputs = dict[str, Callable[[Tensor], Tensor]]


def ecg_outputs(method: Method) -> Outputs:
    """Return the functions by which this method maps recordings to features, by name."""
    outputs: Outputs = {"ecg_features": method.ecg_features}
    if isinstance(method, AlignedMethod):
        outputs["ecg_embeddings"] = method.ecg_embeddings
    if isinstance(method, SequenceMethod):
        outputs["ecg_tokens"] = method.ecg_tokens
    if isinstance(method, SupervisedMethod):
        outputs["class_scores"] = method.class_scores
    return outputs


def output_problem(
    name: str, rows: Tensor, function: Callable[[Tensor], Tensor], ecg: Tensor, tolerance: float
) -> str | None:
    """Return a sentence on the first fault of the `rows` that `function` gave for ``(batch, lead, time)``, else None.

    Checked are the shape, real and finite numbers, and that each recording alone gives the same row, within
    `tolerance` of the largest value.
    """
    form = "(batch, token, dim)" if name == "ecg_tokens" else "(batch, dim)"
    if rows.ndim != form.count(",") + 1 or len(rows) != len(ecg):
        return f"{name}: {form} expected for {len(ecg)} recordings, {tuple(rows.shape)} came"
    if not rows.is_floating_point():
        return f"{name}: torch.float32 expected, {rows.dtype} came"
    if not torch.isfinite(rows).all():
        return f"{name}: NaN or infinite values"
    alone = [function(ecg[row : row + 1]) for row in range(len(ecg))]
    if all(close(rows[row : row + 1], single, tolerance) for row, single in enumerate(alone)):
        return None
    if not close(rows, function(ecg), tolerance):
        return f"{name}: two calls on the same recordings differ (eval mode?)"
    return f"{name}: a recording's row depends on the others in its batch (BatchNorm?)"


def alike_problem(name: str, rows: Tensor, tolerance: float) -> str | None:
    """Return a sentence where rows of different recordings are all the same, within `tolerance`; else None."""
    if len(rows) < 2 or not close(rows[:1].expand_as(rows), rows, tolerance):
        return None
    count = "two" if len(rows) == 2 else str(len(rows))
    return f"{name}: {count} different recordings have the same row"


def agreement_problem(name: str, plain: Tensor, fast: Tensor, tolerance: float) -> str | None:
    """Return a sentence where the form for inference gives other rows than the method itself; else None."""
    if plain.shape != fast.shape:
        return f"{name}: {tuple(plain.shape)} of the method itself, {tuple(fast.shape)} of its form for inference"
    apart = float((fast.double() - plain.double()).norm() / plain.double().norm().clamp(min=1e-30))
    if apart <= tolerance:
        return None
    return (
        f"{name}: the form for inference differs from the method itself by {apart:.2g} of the norm; rounding explains "
        f"{tolerance:.2g}"
    )


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Whether two tensors have one shape and differ by at most `tolerance` of the largest value of `a`."""
    if a.shape != b.shape:
        return False
    return bool((a - b).abs().max() <= tolerance * max(float(a.abs().max()), 1e-6))
