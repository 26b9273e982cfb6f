"""Preparations of recordings that several releases share, as their own scripts have them.

HeartLang and KED read PTB-XL as the benchmark of Strodthoff et al. prepares it (IEEE JBHI 2021, code
helme/ecg_ptbxl_benchmarking): one mean and one deviation for all values of all training recordings. They learnt from
MIMIC-IV-ECG in millivolt, resampled from 500 to 100 Hz by Fourier transform.
"""

from __future__ import annotations

import torch
from torch import Tensor

# millivolt, over the 17,418 recordings of folds 1 to 8 at 100 Hz; the scripts fit them anew to each label set's
PTBXL_MEAN, PTBXL_DEVIATION = -0.000819, 0.235129


def standardise_by_ptbxl(ecg: Tensor) -> Tensor:
    """Map millivolt to units of PTB-XL's deviation, with the same two numbers for every recording."""
    return (ecg - PTBXL_MEAN) / PTBXL_DEVIATION


def resample_by_fourier(ecg: Tensor, samples: int) -> Tensor:
    """Resample ``(..., time)`` to ``(..., samples)``, fewer than before, as ``scipy.signal.resample`` does.

    The spectrum is cut at half of the new rate. Where `samples` is even, its last component stands for both signs of
    that frequency: twice its real part is kept.
    """
    before = ecg.shape[-1]
    spectrum = torch.fft.rfft(ecg.double())[..., : samples // 2 + 1].clone()
    if samples % 2 == 0 and samples < before:
        spectrum[..., -1] = 2 * spectrum[..., -1].real
    return (torch.fft.irfft(spectrum, n=samples) * (samples / before)).to(ecg.dtype)
