"""Morphology: what a cardiologist reads off the typical beat, as named features; plain numpy.

Sources of the criteria: Sokolow & Lyon 1949 (S V1 + R V5/V6), Casale et al. 1985 (Cornell: R aVL + S V3), Morris et al. 1964
(terminal force of P in V1), Bazett 1920 and Fridericia 1920 (QTc), Kors et al. 1990 (vectorcardiogram from 12 leads).
Amplitudes are ``arcsinh(millivolt / unit)``: linear around usual values, logarithmic for outliers.
"""

from __future__ import annotations

import numpy as np

from benchmark.api import LEADS
from methods.nn.beats import BEFORE, GRID, Beats
from methods.nn.delineation import MS, Borders, extremes, qrs_waves, value_at, window

Features = dict[str, np.ndarray]
I, II, III, AVR, AVL, AVF, V1, V2, V3, V4, V5, V6 = range(12)
# Kors' regression matrix: rows x, y, z; columns I, II, V1-V6
KORS = np.array([
    [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
    [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
    [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
])


def squash(millivolt: np.ndarray, unit: float) -> np.ndarray:
    return np.arcsinh(millivolt / unit)


def per_lead(name: str, values: np.ndarray) -> Features:
    """``(batch, lead)`` -> one feature per lead."""
    return {f"{name}_{lead}": values[:, k] for k, lead in enumerate(LEADS)}


def levelled(beat: np.ndarray, borders: Borders) -> np.ndarray:
    """The beat with the level just before QRS as zero."""
    start = np.nan_to_num(borders.qrs_on, nan=BEFORE - 6.0)
    level = (value_at(beat, start) + value_at(beat, start - 1)) / 2
    return beat - level[..., None].astype(beat.dtype)


def interval_features(borders: Borders, rr: np.ndarray) -> Features:
    """PR, QRS, QT and relatives in milliseconds; `rr` in seconds."""
    pr = (borders.qrs_on - borders.p_on) * MS
    qrs = (borders.qrs_off - borders.qrs_on) * MS
    qt = (borders.t_end - borders.qrs_on) * MS
    bazett, fridericia = qt / np.sqrt(rr), qt / np.cbrt(rr)
    return {
        "pr": pr,
        "pr_over_200": np.maximum(pr - 190, 0),
        "pr_under_120": np.maximum(125 - pr, 0),
        "pr_segment": (borders.qrs_on - borders.p_off) * MS,
        "p_peak": (borders.qrs_on - borders.p_peak) * MS,
        "p_wide": (borders.p_off - borders.p_on) * MS,
        "qrs": qrs,
        "qrs_over_110": np.maximum(qrs - 105, 0),
        "qrs_over_130": np.maximum(qrs - 130, 0),
        "qt": qt,
        "qtc_bazett": bazett,
        "qtc_fridericia": fridericia,
        "qtc_over_450": np.maximum(fridericia - 440, 0),
        "jt": qt - qrs,
        "t_peak": (borders.t_peak - borders.qrs_on) * MS,
        "t_tail": (borders.t_end - borders.t_peak) * MS,
    }


def qrs_features(beat: np.ndarray, borders: Borders) -> Features:
    """Q, R, S, R' and their ratios per lead; voltages, progression and notches."""
    mask = window(borders.qrs_on - 1, borders.qrs_off + 1)
    wave = qrs_waves(beat, mask)
    q, r, s = wave["q"], wave["r"], wave["s"]
    high, deep = extremes(beat, mask)
    span = high - deep
    out: Features = {}
    out |= per_lead("q", squash(q, 0.1))
    out |= per_lead("q_wide", wave["q_wide"])
    out |= per_lead("q_ratio", q / (r + 0.1))
    out |= per_lead("r", squash(r, 0.5))
    out |= per_lead("s", squash(s, 0.5))
    out |= per_lead("deep", squash(deep, 0.5))
    out |= per_lead("rs", (r + deep) / (span + 0.05))
    out |= per_lead("r_again", squash(wave["r_again"], 0.1))
    out |= per_lead("r_late", wave["r_late"])
    out |= per_lead("turns", wave["turns"])
    out |= per_lead("qrs_area", squash(wave["area"] / MS, 1.0))
    out |= {
        "sokolow": squash(-deep[:, V1] + np.maximum(r[:, V5], r[:, V6]), 1.0),
        "sokolow_over": np.maximum(-deep[:, V1] + np.maximum(r[:, V5], r[:, V6]) - 3.0, 0).clip(max=5),
        "sokolow_right": squash(r[:, V1] - np.minimum(deep[:, V5], deep[:, V6]), 1.0),
        "cornell": squash(r[:, AVL] - deep[:, V3], 1.0),
        "cornell_over": np.maximum(r[:, AVL] - deep[:, V3] - 1.8, 0).clip(max=5),
        "lewis": squash(r[:, I] - deep[:, I] * 0 - deep[:, III] - r[:, III] + deep[:, I], 1.0),
        "limb_span": np.log(span[:, :6].max(-1) + 0.05),
        "limb_low": np.maximum(0.7 - span[:, :6].max(-1), 0),
        "chest_span": np.log(span[:, 6:].max(-1) + 0.05),
        "chest_low": np.maximum(1.2 - span[:, 6:].max(-1), 0),
        "limb_total": np.log(_sum(span[:, :6]) + 0.1),
        "chest_total": np.log(_sum(span[:, 6:]) + 0.1),
        "transition": (r[:, V1:] > -deep[:, V1:]).argmax(-1).astype(float),
        "r_lost": np.minimum.reduce([r[:, k + 1] - r[:, k] for k in (V1, V2, V3)]).clip(-2, 2),
        "r_v3_low": np.maximum(0.3 - r[:, V3], 0),
        "q_inferior": squash(q[:, II] + q[:, III] + q[:, AVF], 0.1),
        "q_lateral": squash(q[:, I] + q[:, AVL] + q[:, V5] + q[:, V6], 0.1),
        "q_anterior": squash(q[:, V2] + q[:, V3] + q[:, V4], 0.1),
        "turns_total": _sum(wave["turns"]),
    }
    out |= {"cornell_product": out["cornell"] * np.nan_to_num(borders.qrs_off - borders.qrs_on, nan=9.0)}
    return out


def _sum(values: np.ndarray) -> np.ndarray:
    """Sum over the leads, one after the other: the order must not depend on the batch."""
    total = np.zeros(len(values))
    for k in range(values.shape[1]):
        total += values[:, k]
    return total


def st_t_features(beat: np.ndarray, borders: Borders) -> Features:
    """ST at J, J + 40, 60 and 80 ms with its slope, and T, per lead."""
    j = borders.qrs_off
    levels = {after: value_at(beat, j + after / MS) for after in (0, 40, 60, 80)}
    mask = window(j + 6, np.minimum(borders.t_end + 2, beat.shape[-1] - 1))
    high, low = extremes(beat, mask)
    top = np.where(high > -low, high, low)
    span = beat.max(-1) - beat.min(-1) + 0.05
    out: Features = {}
    for after, level in levels.items():
        out |= per_lead(f"st_{after}", squash(level, 0.1))
    out |= per_lead("st_slope", squash(levels[80] - levels[0], 0.1))
    out |= per_lead("t", squash(top, 0.2))
    out |= per_lead("t_high", squash(high, 0.1))
    out |= per_lead("t_low", squash(low, 0.1))
    out |= per_lead("t_ratio", top / span)
    out |= per_lead("t_up", np.tanh(value_at(beat, borders.t_peak) / 0.05))
    out |= per_lead("t_area", squash(np.where(mask, beat, 0).sum(-1), 1.0))
    out |= {
        "st_depressed": _sum(np.minimum(levels[60], 0).clip(min=-0.5)),
        "st_raised": _sum(np.maximum(levels[60], 0).clip(max=0.5)),
        "t_inverted": _sum((top[:, [I, II, AVL, AVF, V2, V3, V4, V5, V6]] < -0.05).astype(float)),
        "t_flat": _sum((np.abs(top[:, [I, II, V3, V4, V5, V6]]) < 0.1).astype(float)),
    }
    return out


def p_features(beat: np.ndarray, spread: np.ndarray, borders: Borders) -> Features:
    """P per lead, its terminal force in V1, and how steady it is from beat to beat (fibrillation has none)."""
    mask = window(borders.p_on - 1, borders.p_off + 1)
    high, low = extremes(beat, mask)
    at_peak = value_at(beat, borders.p_peak)
    late = window(borders.p_peak, borders.p_off + 1)
    search = window(borders.qrs_on - 25, borders.qrs_on - 4)
    energy = np.where(search, beat, 0).std(-1)
    noise = np.where(search, spread, 0).sum(-1) / np.maximum(search.sum(-1), 1)
    rest = window(borders.t_end, np.full(len(beat), np.inf))
    out: Features = {}
    out |= per_lead("p_high", squash(high, 0.05))
    out |= per_lead("p_low", squash(low, 0.05))
    out |= per_lead("p", squash(at_peak, 0.05))
    out |= per_lead("p_noise", np.log(noise + 0.005))
    out |= per_lead("p_steady", np.log((energy + 0.005) / (noise + 0.01)))
    out |= {
        "p_force_v1": squash(np.where(late, np.minimum(beat, 0), 0)[:, V1].sum(-1) * MS, 2.0),
        "p_share": np.log((_sum(energy) + 0.01) / (_sum(beat.std(-1)) + 0.01)),
        "p_steady": np.log((_sum(energy) + 0.02) / (_sum(noise) + 0.05)),
        "rest_noise": np.log(_sum(np.where(rest, spread, 0).sum(-1) / np.maximum(rest.sum(-1), 1)) + 0.02),
    }
    return out


def axis_features(beat: np.ndarray, borders: Borders) -> Features:
    """Frontal axes of P, QRS and T, and the angle between QRS and T in the frontal plane and in space."""
    waves = {
        "p": window(borders.p_on, borders.p_off),
        "qrs": window(borders.qrs_on, borders.qrs_off),
        "t": window(borders.qrs_off + 6, borders.t_end),
    }
    out: Features = {}
    vectors = {}
    for name, mask in waves.items():
        area = np.where(mask, beat, 0).sum(-1)
        x, y = area[:, I], (area[:, II] + area[:, III]) / np.sqrt(3)
        length = np.hypot(x, y) + 0.02
        eight = area[:, [I, II, V1, V2, V3, V4, V5, V6]]
        vectors[name] = np.stack([_sum(eight * row) for row in KORS], axis=-1)
        out |= {f"{name}_axis_cos": x / length, f"{name}_axis_sin": y / length, f"{name}_axis": np.arctan2(y, x)}
        out |= {f"{name}_{axis}": squash(vectors[name][:, k], 1.0) for k, axis in enumerate("xyz")}
    qrs, t = vectors["qrs"], vectors["t"]
    norms = np.sqrt(_sum(qrs**2) * _sum(t**2)) + 0.01
    out["qrs_t_space"] = _sum(qrs * t) / norms
    out["qrs_t_front"] = out["qrs_axis_cos"] * out["t_axis_cos"] + out["qrs_axis_sin"] * out["t_axis_sin"]
    return out


def pacing_features(signal: np.ndarray, beats: Beats) -> Features:
    """Sharp spikes: the largest second difference against the usual one, and how sharp the beat's start is."""
    sharp = np.abs(np.diff(signal, n=2, axis=-1)).max(1)
    rows = np.arange(len(signal))[:, None, None]
    around = sharp[rows, beats.times[..., None] + np.arange(-15, 6)].max(-1)
    at_beats = np.where(beats.found, around, 0).sum(-1) / np.maximum(beats.found.sum(-1), 1)
    start = np.abs(np.diff(beats.median, n=2, axis=-1))[..., BEFORE - 14 : BEFORE + 6]
    return {
        "sharpest": np.log(sharp.max(-1) + 0.01),
        "sharp_beats": np.log(at_beats + 0.01),
        "sharp_start": np.log(start[..., :10].max((1, 2)) + 0.01),
        "sharp_ratio": np.log((start.max((1, 2)) + 0.01) / (np.abs(beats.median).max((1, 2)) + 0.1)),
    }


def raw_beat(beat: np.ndarray, names: tuple[int, ...]) -> Features:
    """The typical beat itself, every 20 ms (10 ms around QRS)."""
    at = [*range(BEFORE - 28, BEFORE - 8, 2), *range(BEFORE - 8, BEFORE + 12), *range(BEFORE + 12, BEFORE + 58, 2)]
    return {
        f"beat_{LEADS[lead]}_{(k - BEFORE) * 1000 // GRID}": squash(beat[:, lead, k], 0.3) for lead in names for k in at
    }
