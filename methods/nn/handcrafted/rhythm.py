"""Rhythm: rates, variability, ectopy and atrial activity from the beats of a recording, in plain numpy.

Variability measures: Task Force of the ESC and NASPE 1996 (https://doi.org/10.1161/01.CIR.93.5.1043). Atrial activity
is measured after subtraction of the average beat (Slocum et al., Circulation 1985).
All functions map arrays of a batch to named features ``(batch,)``; NaN means "cannot be measured".
"""

from __future__ import annotations

import numpy as np

from methods.nn.handcrafted.beats import ATRIAL, EDGE, GRID, Beats

Features = dict[str, np.ndarray]


def rr_intervals(beats: Beats) -> tuple[np.ndarray, np.ndarray]:
    """Return distances of neighbouring beats in seconds, and which are valid: ``(batch, beat - 1)`` each."""
    real = beats.valid[:, 1:]
    return np.where(real, np.diff(beats.times, axis=-1) / GRID, 0.0), real


def masked_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis where the mask is True; NaN where it never is."""
    count = mask.sum(-1)
    return np.where(count > 0, np.where(mask, values, 0).sum(-1) / np.maximum(count, 1), np.nan)


def masked_quantile(values: np.ndarray, mask: np.ndarray, q: float) -> np.ndarray:
    """Return the sorted value nearest to quantile `q` where the mask is True; NaN where it never is."""
    ranking = np.sort(np.where(mask, values, np.inf), axis=-1)
    count = mask.sum(-1)
    at = np.round(q * np.maximum(count - 1, 0)).astype(int)
    return np.where(count > 0, np.take_along_axis(ranking, at[:, None], -1)[:, 0], np.nan)


def median_rr(beats: Beats) -> np.ndarray:
    """Return the median RR interval in seconds ``(batch,)``; NaN with fewer than two beats."""
    return masked_quantile(*rr_intervals(beats), 0.5)


def rate_features(beats: Beats) -> Features:
    """Return the heart rate per minute, and the classical variability in the time domain."""
    rr, real = rr_intervals(beats)
    mean = masked_mean(rr, real)
    step, pair = np.diff(rr, axis=-1), real[:, 1:]
    deviation = np.sqrt(masked_mean((rr - mean[:, None]) ** 2, real))
    rmssd = np.sqrt(masked_mean(step**2, pair))
    median = masked_quantile(rr, real, 0.5)
    low, high = masked_quantile(rr, real, 0.0), masked_quantile(rr, real, 1.0)
    # below 1, every second interval is similar; above, the rate drifts, as with breathing
    smooth = masked_mean(np.abs(rr[:, 2:] - rr[:, :-2]), real[:, 2:]) / (masked_mean(np.abs(step), pair) + 0.01)
    return {
        "rate_mean": 60 / mean,
        "rate_usual": 60 / median,
        "rate_min": 60 / high,
        "rate_max": 60 / low,
        "rate_over_95": np.maximum(60 / median - 95, 0),
        "rate_under_62": np.maximum(62 - 60 / median, 0),
        "rr_mean": mean,
        "sdnn": np.log(deviation + 0.005),
        "rmssd": np.log(rmssd + 0.005),
        "rr_variation": np.log(deviation / mean + 0.005),
        "rr_jumps": np.log(rmssd / mean + 0.005),
        "pnn50": masked_mean(np.abs(step) > 0.05, pair),
        "jumps_over_10": masked_mean(np.abs(step) > 0.1 * mean[:, None], pair),
        "jump_usual": np.log(masked_quantile(np.abs(step), pair, 0.5) / mean + 0.005),
        "jump_calm": np.log(masked_quantile(np.abs(step), pair, 0.25) / mean + 0.005),
        "shortest": low / median,
        "longest": high / median,
        "short_share": masked_mean(rr < 0.85 * median[:, None], real),
        "long_share": masked_mean(rr > 1.15 * median[:, None], real),
        "smooth_variation": smooth,
    }


def pattern_features(beats: Beats) -> Features:
    """Return the autocorrelation of the RR intervals at lags 1 to 4.

    Bigeminy has -1 and +1 at lags 1 and 2, trigeminy shows at lag 3, and sinus arrhythmia is positive.
    """
    rr, real = rr_intervals(beats)
    centred = np.where(real, rr - masked_mean(rr, real)[:, None], 0)
    power = masked_mean(centred**2, real) + 1e-4  # (10 ms)^2: a regular rhythm has no pattern
    out: Features = {}
    for lag in (1, 2, 3, 4):
        out[f"rr_lag_{lag}"] = masked_mean(centred[:, lag:] * centred[:, :-lag], real[:, lag:]) / power
    return out


def ectopy_features(beats: Beats) -> Features:
    """Return measures of beats unlike the typical one, of early beats, and of the pauses after them."""
    valid, odd = beats.valid, beats.valid & ~beats.typical
    rr, real = rr_intervals(beats)
    median = masked_quantile(rr, real, 0.5)[:, None]
    early = real & (rr < 0.88 * median)
    pause = early[:, :-1] & real[:, 1:] & (rr[:, 1:] > 1.1 * median)
    width = masked_mean(beats.widths, beats.typical)
    odd_width = masked_mean(beats.widths, odd)
    wide = valid & (beats.widths > 1.35 * width[:, None])
    return {
        "beats": valid.sum(-1).astype(float),
        "odd_share": masked_mean(odd, valid),
        "odd_any": np.minimum(odd.sum(-1), 1.0),
        "odd_count": np.sqrt(odd.sum(-1)),
        "odd_early": masked_mean(odd[:, 1:] & early, real),
        "odd_early_any": np.minimum((odd[:, 1:] & early).sum(-1), 1.0),
        "odd_wide_any": np.minimum((odd & wide).sum(-1), 1.0),
        "odd_wide_share": masked_mean(odd & wide, valid),
        "odd_alternates": masked_mean(odd[:, 2:] & ~odd[:, 1:-1] & odd[:, :-2], valid[:, 2:]),
        "odd_thirds": masked_mean(odd[:, 3:] & ~odd[:, 2:-1] & ~odd[:, 1:-2] & odd[:, :-3], valid[:, 3:]),
        "usual_early": masked_mean(beats.typical[:, 1:] & early, real),
        "usual_early_any": np.minimum((beats.typical[:, 1:] & early).sum(-1), 1.0),
        "early_pause": np.sqrt(pause.sum(-1)),
        "odd_early_pause": np.sqrt((pause & odd[:, 1:-1]).sum(-1)),
        "usual_early_pause": np.sqrt((pause & beats.typical[:, 1:-1]).sum(-1)),
        "likeness_mean": masked_mean(beats.likeness, valid),
        "likeness_min": masked_quantile(beats.likeness, valid, 0.0),
        "likeness_usual": np.log(1.01 - masked_quantile(beats.likeness, valid, 0.25)),
        "width": width,
        "width_max": masked_quantile(beats.widths, valid, 1.0),
        "odd_width": np.nan_to_num(odd_width / width, nan=1.0),
    }


ATRIAL_BANDS = (3.0, 4.0, 5.5, 7.5, 10.0, 14.0)  # Hz, borders


def atrial_features(beats: Beats) -> Features:
    """Return the spectrum of the signal without the typical beats.

    Fibrillation has 4-9 Hz; flutter has 3.5-5.5 Hz and a sharp peak.
    """
    residue = beats.residue[..., EDGE:-EDGE]
    samples = residue.shape[-1]
    residue = np.clip(residue, -0.3, 0.3) * np.hanning(samples).astype(np.float32)  # limits the part of ectopic beats
    power = np.abs(np.fft.rfft(residue)) ** 2 / samples
    hertz = np.fft.rfftfreq(samples, 1 / GRID)
    edges = np.searchsorted(hertz, ATRIAL_BANDS)
    start, stop = edges[0], edges[-1]
    out: Features = {}
    for k, name in enumerate(ATRIAL):
        band = power[:, k, start:stop]
        total = band.sum(-1) + 1e-7
        for low, high, border in zip(edges, edges[1:], ATRIAL_BANDS, strict=False):
            out[f"atrial_{name}_{border:g}"] = np.log(power[:, k, low:high].sum(-1) + 1e-5)
        out[f"atrial_{name}_sharp"] = np.log(band.max(-1) / total + 1e-3)
        out[f"atrial_{name}_at"] = hertz[start + band.argmax(-1)]
        share = band / total[:, None]
        out[f"atrial_{name}_entropy"] = -(share * np.log(share + 1e-9)).sum(-1)
    return out
