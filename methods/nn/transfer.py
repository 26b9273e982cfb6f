"""Copies to the device of a method that do not wait for it.

Masks, draws and token ids are made on the CPU. The usual ``x.to(device)`` then waits until a GPU has finished all that
was started there, the whole step before included, and so does ``torch.tensor(values, device=device)``. A loss that
copies by `hand_over` lets the CPU start the kernels of the next layers meanwhile.
"""

from __future__ import annotations

import torch
from torch import Tensor


def hand_over(tensor: Tensor, device: torch.device) -> Tensor:
    """Return `tensor` on `device`, without waiting where it comes from the CPU. It must not be changed afterwards."""
    if tensor.device.type == "cpu" and device.type == "cuda":
        tensor = tensor.pin_memory()  # the allocator of pinned memory keeps it until the copy has been made
    return tensor.to(device, non_blocking=tensor.device.type == "cpu")


def true_positions(mask: Tensor, device: torch.device) -> Tensor:
    """Return the positions of the true values of the flattened `mask`, ascending ``(n,)``, on `device`.

    Their number is a size of what is computed next, so the CPU must know it: nothing waits where `mask` is there.
    """
    return hand_over(mask.flatten().nonzero().squeeze(1), device)
