"""Precision of features and of training, chosen by the device, the method and the user."""

from __future__ import annotations

import os

import torch

from benchmark.api import Method
from benchmark.engine.prefetch import on_gpu
from benchmark.errors import UsageError

PRECISIONS = ("auto", "fp32", "bf16")
PRECISION_VARIABLE = "ECGARENA_PRECISION"  # a variable, so that worker processes inherit it


def chosen_precision(method: type[Method], device: str) -> str:
    """Return bf16 where `method` has such a form and the device multiplies it in hardware, else fp32.

    ``ECGARENA_PRECISION=fp32`` (or bf16) overrules the device; a method without a bf16 form stays at fp32.
    """
    choice = os.environ.get(PRECISION_VARIABLE, "auto")
    if choice not in PRECISIONS:
        raise UsageError(f"{PRECISION_VARIABLE} is {choice!r}; it must be one of {', '.join(PRECISIONS)}")
    if "bf16" not in method.precisions or choice == "fp32":
        return "fp32"
    return "bf16" if choice == "bf16" or has_bf16(device) else "fp32"


def training_precision(choice: str, device: str) -> str:
    """Return the precision of a training: `choice`, or for "auto" bf16 where the device multiplies it, else fp32."""
    if choice != "auto":
        return choice
    return "bf16" if has_bf16(device) else "fp32"


def has_bf16(device: str) -> bool:
    """Whether the device multiplies bf16 in hardware; a CPU that only emulates it is many times slower than in fp32."""
    if on_gpu(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
