"""Faster copies of trained modules for inference: batch norms folded, blocks fused on a CPU, encoders in bf16.

In eval mode a batch norm is an affine map per channel, which the convolution before it can do as well:
w' = w * g / sqrt(v + eps), b' = beta + (b - m) * g / sqrt(v + eps). Only the encoders change their precision. They
take and return float32, so that pooling, projections and norms after them lose no digits.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from methods.nn.encoder import Encoder
from methods.nn.fused import can_fuse, fuse_blocks
from methods.nn.resnet1d import Conv, Norm
from methods.nn.vit1d import ViT1D

VIT_BF16_SAMPLES = 160_000  # per batch on a CPU; for ViTs in bf16 measured faster than fewer, for others not
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

M = TypeVar("M", bound=nn.Module)


def copy_for_inference(module: M, precision: str, *shared: nn.Module | None) -> M:
    """Return a copy of `module` in eval mode, equal up to rounding; it cannot be trained any more.

    Modules in `shared` (a large text model, say) are not copied.
    """
    clone = copy.deepcopy(module, {id(part): part for part in shared if part is not None}).eval()
    encoders = [part for part in clone.modules() if isinstance(part, Encoder)]
    if precision == "bf16" and {type(encoder) for encoder in encoders} == {ViT1D}:
        vars(clone)["cpu_batch_samples"] = VIT_BF16_SAMPLES
    for encoder in encoders:
        fold_norms(encoder)
        encoder.to(DTYPES[precision]).requires_grad_(False)
        if can_fuse(next(encoder.parameters()).device, DTYPES[precision]):
            fuse_blocks(encoder)
    return clone


def fold_norms(module: nn.Module) -> None:
    """Fold, in place, each `Norm` that is registered right after a `Conv`; encoders apply them in that order."""
    for parent in list(module.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if isinstance(before, Conv) and isinstance(child, Norm):
                _fold(before, child)
                setattr(parent, name, nn.Identity())
            before = child


@torch.no_grad()
def _fold(conv: Conv, norm: Norm) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()  # (channel,)
    bias = torch.zeros_like(scale) if conv.bias is None else conv.bias.double()
    conv.bias = nn.Parameter((norm.bias + (bias - norm.running_mean) * scale).float(), requires_grad=False)
    conv.weight = nn.Parameter((conv.weight * scale[:, None, None]).float(), requires_grad=False)
