"""Random lead masking (Oh et al., CHIL 2022): set leads to 0, so that a method learns to do without them."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.nn.transfer import hand_over


def mask_leads(ecg: Tensor, probability: float = 0.5) -> Tensor:
    """Set each lead of ``(batch, lead, time)`` to 0 with `probability`, independently; all of them may become 0.

    Random numbers come from torch's CPU generator on every device.
    """
    visible = torch.rand(ecg.shape[:2]) >= probability
    return ecg * hand_over(visible, ecg.device).to(ecg.dtype).unsqueeze(-1)
