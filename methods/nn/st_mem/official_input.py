"""ST-MEM's own preparation of a recording: crops, filters and scaling, in the order of its released code.

Na et al., ICLR 2024 (bakqui/ST-MEM): each crop is filtered by itself, high-pass before low-pass (Butterworth of order
5, forwards and backwards), and then standardised as a whole. The filters come after the crop, so their edges depend on
it. They are a linear map of a crop's samples, and applied as one matrix on whatever device the model is.
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

FLAT = 1e-6  # millivolt: a thousandth of what any recorder resolves
ORDER = 5
STEPS = 2  # crops of evaluation start at 0, 1/2 and 1 of the spare samples: 0, 125 and 250 of 2,500


class OfficialInput(nn.Module):
    """Maps recordings ``(batch, lead, time)`` in millivolt to standardised crops ``(batch, lead, samples)``."""

    matrix: Tensor

    def __init__(self, samples: int, rate: float, band_pass: tuple[float, float] | None) -> None:
        super().__init__()
        self.samples = samples
        matrix = np.eye(samples) if band_pass is None else filter_matrix(samples, rate, *band_pass)
        self.register_buffer("matrix", torch.from_numpy(matrix).float(), persistent=False)

    def crops(self, ecg: Tensor, number: int) -> list[Tensor]:
        """Return `number` prepared crops, evenly spaced from the recording's start; fewer where they would coincide."""
        spare = ecg.shape[-1] - self.samples
        starts = [spare * index // STEPS for index in range(number)]
        return [self(ecg[..., start : start + self.samples]) for start in dict.fromkeys(starts)]

    def forward(self, crop: Tensor) -> Tensor:
        """Filter and standardise crops ``(batch, lead, samples)``; a flat one becomes 0."""
        with _full_precision(crop.device.type):
            filtered = crop.float() @ self.matrix
            centred = filtered - filtered.mean((1, 2), keepdim=True)
            spread = centred.square().mean((1, 2), keepdim=True).sqrt()
            return torch.where(spread > FLAT, centred / spread.clamp(min=FLAT), 0).to(crop.dtype)


def _full_precision(device: str) -> AbstractContextManager[None]:
    """Return a context without autocast, on devices that have one."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


@functools.lru_cache(maxsize=4)
def filter_matrix(samples: int, rate: float, low: float, high: float) -> np.ndarray:
    """Return the two filters as ``(samples, samples)``: row i is the response to an impulse at sample i."""
    from scipy.signal import butter, sosfiltfilt

    response = np.eye(samples)
    for frequency, kind in ((low, "highpass"), (high, "lowpass")):
        sos = butter(ORDER, frequency, kind, fs=rate, output="sos")
        response = sosfiltfilt(sos, response, axis=-1)
    return np.ascontiguousarray(response)
