"""Waves of the typical beat: where P, QRS and T begin and end, and what each lead shows there; plain numpy.

Borders are common to all leads, as the CSE working party recommends (https://doi.org/10.1093/oxfordjournals.eurheartj.a061863);
they are found on the root mean square over the leads and interpolated between samples.
Times are samples of the analysis grid (10 ms) counted in the beat, whose QRS centre is sample `BEFORE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from methods.nn.beats import BEAT, BEFORE, GRID, INDEPENDENT, slope

MS = 1000 / GRID  # milliseconds of one sample


@dataclass(frozen=True)
class Borders:
    """Borders of the waves, ``(batch,)`` each, in samples of the beat; NaN where a wave is not found."""

    qrs_on: np.ndarray
    qrs_off: np.ndarray
    p_on: np.ndarray
    p_peak: np.ndarray
    p_off: np.ndarray
    t_peak: np.ndarray
    t_end: np.ndarray


def rms(beat: np.ndarray) -> np.ndarray:
    """Root mean square over the eight independent leads: ``(batch, lead, BEAT)`` -> ``(batch, BEAT)``."""
    total = np.zeros((beat.shape[0], beat.shape[2]))
    for lead in INDEPENDENT:  # a fixed order of summation, whatever the batch
        total += beat[:, lead].astype(np.float64) ** 2
    return np.sqrt(total / len(INDEPENDENT))


def find_borders(beat: np.ndarray, rr: np.ndarray) -> Borders:
    """``(batch, lead, BEAT)`` millivolt and the usual RR interval ``(batch,)`` in samples -> borders."""
    speed = rms(slope(beat))
    at = np.arange(BEAT)
    near = (at >= BEFORE - 12) & (at < BEFORE + 15)
    top = np.where(near, speed, 0).max(-1)
    calm = np.median(speed, axis=-1)
    level = np.minimum(0.1 * top + 0.5 * calm, 0.5 * top)[:, None]
    peak = np.where(near, speed, -1).argmax(-1)
    quiet = speed < level
    calm_pair = quiet & np.roll(quiet, 1, -1)
    before = np.where((at < np.minimum(peak, BEFORE)[:, None]) & (quiet & np.roll(quiet, -1, -1) | quiet & np.roll(quiet, 1, -1)), at, -1).max(-1)
    after = np.where((at > np.maximum(peak, BEFORE)[:, None]) & (calm_pair | quiet & np.roll(quiet, -1, -1)), at, BEAT).min(-1)
    alive = top > 1e-3
    on = _nan_unless(alive & (before >= 5), _cross(speed, before, 1, level[:, 0]))
    off = _nan_unless(alive & (after < BEAT - 5), _cross(speed, after, -1, level[:, 0]))
    p_on, p_peak, p_off = _find_p(beat, np.nan_to_num(on, nan=BEFORE - 5.0), rr)
    t_peak, t_end = _find_t(beat, np.nan_to_num(off, nan=BEFORE + 5.0), rr)
    return Borders(
        on, off, *(_nan_unless(alive, border) for border in (p_on, p_peak, p_off, t_peak, t_end))
    )


def _nan_unless(condition: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.where(condition, value, np.nan)


def _take(series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """``(batch, time)`` at one integer position per row, kept inside."""
    return np.take_along_axis(series, np.clip(at, 0, series.shape[-1] - 1)[:, None].astype(np.int64), -1)[:, 0]


def _cross(series: np.ndarray, inside: np.ndarray, step: int, level: np.ndarray) -> np.ndarray:
    """Where the series passes `level` between the quiet sample `inside` and its neighbour at `step`."""
    low, high = _take(series, inside), _take(series, inside + step)
    return inside + step * np.clip((level - low) / np.maximum(high - low, 1e-9), 0, 1)


def _find_p(beat: np.ndarray, on: np.ndarray, rr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The P wave: the highest hump above the chord of the window between the last T and QRS."""
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
    """The straight line through a beat's values at two positions: ``(batch, lead, BEAT)``."""
    left, right = np.clip(first, 0, BEAT - 1).astype(int), np.clip(last, 1, BEAT - 1).astype(int)
    a = np.take_along_axis(beat, left[:, None, None], -1)
    b = np.take_along_axis(beat, right[:, None, None], -1)
    share = (np.arange(BEAT) - left[:, None]) / np.maximum(right - left, 1)[:, None]
    return a + (b - a) * share[:, None, :]


def _find_t(beat: np.ndarray, off: np.ndarray, rr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The peak of T and its end, where the steepest tangent after the peak meets the base line."""
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


def window(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Samples from `first` to `last`, ``(batch,)`` each -> ``(batch, 1, BEAT)`` bool; empty where NaN."""
    at = np.arange(BEAT)
    return ((at >= first[:, None]) & (at <= last[:, None]))[:, None]


def value_at(beat: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate ``(batch, lead, BEAT)`` at ``(batch,)`` samples -> ``(batch, lead)``; 0 where NaN."""
    safe = np.clip(np.nan_to_num(at, nan=0.0), 0, BEAT - 1.001)
    low = np.floor(safe).astype(int)
    a = np.take_along_axis(beat, low[:, None, None], -1)[..., 0]
    b = np.take_along_axis(beat, low[:, None, None] + 1, -1)[..., 0]
    return np.where(np.isnan(at)[:, None], 0, a + (b - a) * (safe - low)[:, None])


def extremes(beat: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Highest value above 0 and lowest below 0 under the mask: two ``(batch, lead)``."""
    return np.where(mask, beat, 0).max(-1), np.where(mask, beat, 0).min(-1)


def qrs_waves(beat: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Q, R, S and R' of each lead, millivolt, and the time of R after the start, ms: ``(batch, lead)`` each."""
    at = np.arange(BEAT)
    inside = np.where(mask, beat, 0)
    r, r_at = inside.max(-1), inside.argmax(-1)[..., None]
    q = np.where(at < r_at, inside, 0).min(-1)
    late = np.where(at > r_at, inside, 0)
    s, s_at = late.min(-1), late.argmin(-1)[..., None]
    again = np.where((at > s_at) & (s_at > r_at), inside, 0).max(-1)  # R' needs an S before it
    first = mask.argmax(-1)[..., None]
    steps = np.diff(inside, axis=-1)
    turns = (steps[..., 1:] * steps[..., :-1] < 0) & (np.minimum(np.abs(steps[..., 1:]), np.abs(steps[..., :-1])) > 0.02)
    q_wide = ((at < r_at) & (inside < -0.03)).sum(-1) * MS
    return {
        "q": q, "r": r, "s": s, "r_again": again, "q_wide": q_wide,
        "r_late": np.where(r > 0.05, (r_at - first)[..., 0], 0) * MS, "turns": turns.sum(-1),
        "area": inside.sum(-1) * MS,
    }
