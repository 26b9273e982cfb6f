"""Random lead masking (Oh et al., CHIL 2022): a recording must be understood from some of its leads."""

from __future__ import annotations

import torch
from torch import Tensor


def mask_leads(ecg: Tensor, probability: float = 0.5) -> Tensor:
    """Each lead of ``(batch, lead, time)`` becomes zero with `probability`, on its own; all of them may.

    Random numbers come from torch's CPU generator on every device.
    """
    survives = torch.rand(ecg.shape[:2]) >= probability
    return ecg * survives.to(ecg.device, ecg.dtype).unsqueeze(-1)
