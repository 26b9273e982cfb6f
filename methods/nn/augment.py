"""Augmentations of ECG, which make two different views of one recording.

Random crops and time-outs are those that Mehari & Strodthoff (Computers in Biology and Medicine 2022) found best for
contrastive learning on 12-lead ECG; random lead masking is Oh et al.'s (CHIL 2022). Each recording has its own random
numbers. They come from torch's global generator on the CPU, so that a resumed training repeats them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.nn.lead_masking import mask_leads
from methods.nn.transfer import hand_over


class Augmentation:
    """A random crop, then noise, gain, time-out and lead masking; each is off at 0.

    `crop`: length in samples. `gain`: relative range of one random factor per recording. `time_out`: longest share of
    the time that is set to 0. `noise`: standard deviation of white noise, relative to that of the recording.
    `lead_drop`: probability of each lead to be masked. Raises ValueError for values outside their range.
    """

    def __init__(
        self, crop: int = 0, gain: float = 0.0, time_out: float = 0.0, noise: float = 0.0, lead_drop: float = 0.0
    ) -> None:
        for name, share in (("gain", gain), ("time_out", time_out), ("lead_drop", lead_drop)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} = {share} must lie in [0, 1)")
        if crop < 0 or noise < 0:
            raise ValueError(f"neither the crop ({crop} samples) nor the noise ({noise}) can be negative")
        self.crop, self.gain, self.time_out, self.noise, self.lead_drop = crop, gain, time_out, noise, lead_drop

    def __call__(self, ecg: Tensor) -> Tensor:
        """Return a random view of each recording: ``(batch, lead, time)`` -> ``(batch, lead, crop or time)``."""
        ecg = random_crop(ecg, self.crop)
        if self.noise:
            spread = ecg.std(dim=(1, 2), keepdim=True)
            ecg = ecg + self.noise * spread * hand_over(torch.randn(ecg.shape), ecg.device).to(ecg.dtype)
        if self.gain:
            ecg = ecg * hand_over(1 + self.gain * (2 * torch.rand(len(ecg), 1, 1) - 1), ecg.device).to(ecg.dtype)
        if self.time_out:
            time_out = draw_time_out(len(ecg), ecg.shape[-1], self.time_out)
            ecg = ecg * hand_over(time_out, ecg.device).to(ecg.dtype)
        if self.lead_drop:
            ecg = mask_leads(ecg, self.lead_drop)
        return ecg


def random_crop(ecg: Tensor, samples: int) -> Tensor:
    """Cut `samples` at a random place out of each recording ``(batch, lead, time)``; 0 leaves it whole.

    Raises ValueError when the recordings are shorter.
    """
    if not samples or samples == ecg.shape[-1]:
        return ecg
    if samples > ecg.shape[-1]:
        raise ValueError(f"a crop of {samples} samples does not fit into recordings of {ecg.shape[-1]}")
    starts = hand_over(torch.randint(ecg.shape[-1] - samples + 1, (len(ecg), 1, 1)), ecg.device)
    places = starts + torch.arange(samples, device=ecg.device)  # (batch, 1, samples)
    return ecg.gather(-1, places.expand(-1, ecg.shape[1], -1))


def draw_time_out(batch: int, samples: int, longest: float) -> Tensor:
    """Draw a factor for each sample, ``(batch, 1, samples)``: 0 within one random stretch, 1 elsewhere.

    The stretch is at most the share `longest` of the time.
    """
    length = longest * torch.rand(batch, 1, 1)
    start = (1 - length) * torch.rand(batch, 1, 1)
    time = torch.arange(samples) / samples
    return ((time < start) | (time >= start + length)).float()
