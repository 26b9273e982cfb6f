"""Waves of the typical beat: the borders of P, QRS and T, and measures in each lead; plain numpy.

Borders are common to all leads, as the CSE working party recommends (European Heart Journal
1985); they are found on the root mean square over the leads and interpolated between samples.
Times are samples of the analysis grid (10 ms) counted in the beat, whose QRS centre is sample `BEFORE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from methods.nn.handcrafted.beats import BEAT, BEFORE, GRID, INDEPENDENT, slope

MS = 1000 / GRID  # milliseconds of one sample


@dataclass(frozen=True)
class Borders:
    """Borders of the waves, ``(batch,)`` each, in samples of the beat; NaN where a wave is missing."""

    qrs_on: np.ndarray
    qrs_off: np.ndarray
    p_on: np.ndarray
    p_peak: np.ndarray
    p_off: np.ndarray
    t_peak: np.ndarray
    t_end: np.ndarray


def rms(beat: np.ndarray) -> np.ndarray:
    """Return the root mean square over the eight independent leads: ``(batch, lead, BEAT)`` -> ``(batch, BEAT)``."""
    total = np.zeros((beat.shape[0], beat.shape[2]))
    for lead in INDEPENDENT:  # the order of summation is fixed, whatever the batch
        total += beat[:, lead].astype(np.float64) ** 2
    return np.sqrt(total / len(INDEPENDENT))


def find_borders(beat: np.ndarray, rr: np.ndarray) -> Borders:
    """Find the borders in ``(batch, lead, BEAT)`` millivolt, given the usual RR interval ``(batch,)`` in samples."""
    speed = rms(slope(beat))
    at = np.arange(BEAT)
    near = (at >= BEFORE - 12) & (at < BEFORE + 15)
    top = np.where(near, speed, 0).max(-1)
    # 10 % of the steepest slope, more where the beat is noisy throughout
    level = np.minimum(0.1 * top + 0.5 * np.median(speed, axis=-1), 0.5 * top)[:, None]
    steepest = np.where(near, speed, -1).argmax(-1)[:, None]
    quiet = speed < level
    calm = quiet & (np.roll(quiet, 1, -1) | np.roll(quiet, -1, -1))  # a single slow sample may be a notch
    before = np.where((at < np.minimum(steepest, BEFORE)) & calm, at, -1).max(-1)
    after = np.where((at > np.maximum(steepest, BEFORE)) & calm, at, BEAT).min(-1)
    alive = top > 1e-3  # millivolt per second; less is a flat recording
    on = np.where(alive & (before >= 5), _cross(speed, before, 1, level[:, 0]), np.nan)
    off = np.where(alive & (after < BEAT - 5), _cross(speed, after, -1, level[:, 0]), np.nan)
    p_wave = _find_p(beat, np.nan_to_num(on, nan=BEFORE - 5.0), rr)
    t_wave = _find_t(beat, np.nan_to_num(off, nan=BEFORE + 5.0), rr)
    return Borders(on, off, *(np.where(alive, border, np.nan) for border in (*p_wave, *t_wave)))


def _take(series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the values of ``(batch, time)`` at one integer position per row, clipped to the series."""
    return np.take_along_axis(series, np.clip(at, 0, series.shape[-1] - 1)[:, None].astype(np.int64), -1)[:, 0]


def _cross(series: np.ndarray, inside: np.ndarray, step: int, level: np.ndarray) -> np.ndarray:
    """Return where the series passes `level` between the quiet sample `inside` and its neighbour at `step`."""
    low, high = _take(series, inside), _take(series, inside + step)
    return inside + step * np.clip((level - low) / np.maximum(high - low, 1e-9), 0, 1)


def _find_p(beat: np.ndarray, on: np.ndarray, rr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start, peak and end of P: the highest hump above the chord of the window between the last T and QRS.

    A second, shorter chord around the peak defines the borders, since the end of T would tilt the first one.
    """
    at = np.arange(BEAT)
    last = on - 3.0
    first = np.maximum(on - np.clip(0.42 * rr, 14, 32), 1.0)
    chord = _chord(beat, first, last)
    hump = rms(uniform_filter1d(beat - chord, 3, axis=-1))
    inside = (at > first[:, None] + 1) & (at < last[:, None])
    hump = np.where(inside, hump, 0)
    peak = hump.argmax(-1)
    hump = rms(uniform_filter1d(beat - _chord(beat, peak - 10.0, np.minimum(peak + 10.0, on - 1)), 3, axis=-1))
    level = 0.3 * _take(hump, peak)
    low = hump < level[:, None]
    start = np.where(low & (at < peak[:, None]), at, peak[:, None] - 10).max(-1)
    stop = np.where(low & (at > peak[:, None]), at, peak[:, None] + 10).min(-1)
    return _cross(hump, start, 1, level), peak.astype(float), _cross(hump, stop, -1, level)


def _chord(beat: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the straight line through a beat's values at two positions: ``(batch, lead, BEAT)``."""
    left, right = np.clip(first, 0, BEAT - 1).astype(int), np.clip(last, 1, BEAT - 1).astype(int)
    a = np.take_along_axis(beat, left[:, None, None], -1)
    b = np.take_along_axis(beat, right[:, None, None], -1)
    share = (np.arange(BEAT) - left[:, None]) / np.maximum(right - left, 1)[:, None]
    return a + (b - a) * share[:, None, :]


def _find_t(beat: np.ndarray, off: np.ndarray, rr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the peak of T and its end, where the steepest tangent after the peak meets the base line."""
    at = np.arange(BEAT)
    last = np.minimum(BEFORE + np.clip(0.62 * rr, 22, 58), BEAT - 2)
    height = uniform_filter1d(rms(beat), 5, axis=-1)
    inside = (at >= off[:, None] + 6) & (at <= last[:, None])
    peak = np.where(inside, height, -1).argmax(-1)
    fall = height - np.roll(height, -1, -1)
    after = (at > peak[:, None]) & (at < np.minimum(peak + 16, last)[:, None])
    steepest = np.where(after, fall, -1).argmax(-1)
    base = np.where((at > peak[:, None]) & (at <= last[:, None] + 1), height, np.inf).min(-1)
    base = np.where(np.isfinite(base), base, 0)
    tangent = steepest + 0.5 + (_take(height, steepest) - base) / np.maximum(_take(fall, steepest), 1e-6)
    return peak.astype(float), np.clip(tangent, peak + 1, last + 8)


def window_mask(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Mark the samples from `first` to `last`, ``(batch,)`` each: ``(batch, 1, BEAT)`` bool; none where NaN."""
    at = np.arange(BEAT)
    return ((at >= first[:, None]) & (at <= last[:, None]))[:, None]


def interpolate_at(beat: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate ``(batch, lead, BEAT)`` at ``(batch,)`` samples: ``(batch, lead)``; 0 where NaN."""
    safe = np.clip(np.nan_to_num(at, nan=0.0), 0, BEAT - 1.001)
    low = np.floor(safe).astype(int)
    a = np.take_along_axis(beat, low[:, None, None], -1)[..., 0]
    b = np.take_along_axis(beat, low[:, None, None] + 1, -1)[..., 0]
    return np.where(np.isnan(at)[:, None], 0, a + (b - a) * (safe - low)[:, None])


def find_extremes(beat: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest value above 0 and the lowest below 0 under the mask, ``(batch, lead)`` each."""
    return np.where(mask, beat, 0).max(-1), np.where(mask, beat, 0).min(-1)


def measure_qrs(beat: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Measure QRS in each lead: ``(batch, lead, BEAT)`` and mask ``(batch, 1, BEAT)`` -> ``(batch, lead)`` each.

    Q, R, the deepest point (S or QS) and R' in millivolt, width of Q and delay of R in ms, number of turns, and area in
    millivolt ms. Absent waves are 0.
    """
    at = np.arange(BEAT)
    inside = np.where(mask, beat, 0)
    r, r_at = inside.max(-1), inside.argmax(-1)[..., None]
    q = np.where(at < r_at, inside, 0).min(-1)
    late = np.where(at > r_at, inside, 0)
    s_at = late.argmin(-1)[..., None]
    again = np.where((at > s_at) & (s_at > r_at), inside, 0).max(-1)  # R' follows an S
    first = mask.argmax(-1)[..., None]
    steps = np.diff(inside, axis=-1)
    size = np.minimum(np.abs(steps[..., 1:]), np.abs(steps[..., :-1]))
    turns = (steps[..., 1:] * steps[..., :-1] < 0) & (size > 0.02)  # smaller ones are noise
    return {
        "q": q,
        "r": r,
        "deep": inside.min(-1),
        "r_again": again,
        "q_wide": ((at < r_at) & (inside < -0.03)).sum(-1) * MS,
        "r_late": np.where(r > 0.05, (r_at - first)[..., 0], 0) * MS,
        "turns": turns.sum(-1),
        "area": inside.sum(-1) * MS,
    }
