"""Morphology: the measures that a cardiologist takes from the typical beat, as named features; plain numpy.

Sources of the criteria: Sokolow & Lyon 1949 (S V1 + R V5/V6), Lewis 1914, Cornell (Casale et al. 1985: R aVL + S V3),
Morris et al. 1964 (terminal force of P in V1), Bazett 1920 and Fridericia 1920 (QTc), Kors et al. 1990 (vectors).
Amplitudes are ``arcsinh(millivolt / unit)``: linear around usual values, logarithmic for outliers.
Every function returns features ``(batch,)``; an absent wave has amplitude 0, an absent interval is NaN.
"""

from __future__ import annotations

import numpy as np

from methods.nn.handcrafted.beats import BEFORE, LEADS, Beats
from methods.nn.handcrafted.delineation import MS, Borders, find_extremes, interpolate_at, measure_qrs, window_mask

Features = dict[str, np.ndarray]
I, II, III, _, AVL, AVF, V1, V2, V3, V4, V5, V6 = range(12)  # noqa: E741
CHEST = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
KORS = {  # millivolt of the vectorcardiogram from the leads of CHEST
    "x": (0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54),
    "y": (-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13),
    "z": (0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31),
}


def squash(millivolt: np.ndarray, unit: float) -> np.ndarray:
    """Return ``arcsinh(millivolt / unit)``, linear up to about one unit and logarithmic above, for linear probes."""
    return np.arcsinh(millivolt / unit)


def per_lead(name: str, values: np.ndarray) -> Features:
    """Name one feature per lead: ``(batch, lead)`` -> ``(batch,)`` each."""
    return {f"{name}_{lead}": values[:, k] for k, lead in enumerate(LEADS)}


def sum_leads(values: np.ndarray) -> np.ndarray:
    """Sum over the leads one after the other, ``(batch, lead)`` -> ``(batch,)``, so that the order never varies."""
    out = np.zeros(len(values))
    for k in range(values.shape[1]):
        out += values[:, k]
    return out


def subtract_level(beat: np.ndarray, borders: Borders) -> np.ndarray:
    """Subtract the level just before QRS from the beat, ``(batch, lead, BEAT)``."""
    start = np.nan_to_num(borders.qrs_on, nan=BEFORE - 6.0)
    level = (interpolate_at(beat, start) + interpolate_at(beat, start - 1)) / 2
    return beat - level[..., None].astype(beat.dtype)


def interval_features(borders: Borders, rr: np.ndarray) -> Features:
    """Return PR, QRS, QT and related intervals in milliseconds; `rr` is in seconds.

    Features with `over` and `under` start at a limit of the normal range.
    """
    pr = (borders.qrs_on - borders.p_on) * MS
    qrs = (borders.qrs_off - borders.qrs_on) * MS
    qt = (borders.t_end - borders.qrs_on) * MS
    fridericia = qt / np.cbrt(rr)
    return {
        "pr": pr,
        "pr_over_190": np.maximum(pr - 190, 0),
        "pr_under_125": np.maximum(125 - pr, 0),
        "pr_segment": (borders.qrs_on - borders.p_off) * MS,
        "p_peak": (borders.qrs_on - borders.p_peak) * MS,
        "p_wide": (borders.p_off - borders.p_on) * MS,
        "qrs": qrs,
        "qrs_over_105": np.maximum(qrs - 105, 0),
        "qrs_over_130": np.maximum(qrs - 130, 0),
        "qt": qt,
        "qtc_bazett": qt / np.sqrt(rr),
        "qtc_fridericia": fridericia,
        "qtc_over_440": np.maximum(fridericia - 440, 0),
        "jt": qt - qrs,
        "t_peak": (borders.t_peak - borders.qrs_on) * MS,
        "t_tail": (borders.t_end - borders.t_peak) * MS,
    }


def qrs_features(beat: np.ndarray, borders: Borders) -> Features:
    """Return Q, R, S, R', delay of R and area per lead; Q by region, loss of R, notches."""
    wave = measure_qrs(beat, window_mask(borders.qrs_on - 1, borders.qrs_off + 1))
    q, r = wave["q"], wave["r"]
    again = squash(wave["r_again"], 0.1)
    return {
        **per_lead("q", squash(q, 0.1)),
        **per_lead("q_wide", wave["q_wide"]),
        **per_lead("q_ratio", squash(q / (r + 0.1), 1.0)),
        **per_lead("r", squash(r, 0.5)),
        **per_lead("deep", squash(wave["deep"], 0.5)),
        **per_lead("r_late", wave["r_late"]),
        **per_lead("qrs_area", squash(wave["area"] / MS, 1.0)),
        **voltage_features(r, wave["deep"], borders),
        "r_again_V1": again[:, V1],
        "r_again_V2": again[:, V2],
        "turns": sum_leads(wave["turns"]),
        "transition": (r[:, V1:] > -wave["deep"][:, V1:]).argmax(-1).astype(float),  # first lead with R above S
        "r_lost": np.minimum.reduce([r[:, k + 1] - r[:, k] for k in (V1, V2, V3)]).clip(-2, 2),
        "r_v3_low": np.maximum(0.3 - r[:, V3], 0),
        "q_inferior": squash(sum_leads(q[:, [II, III, AVF]]), 0.1),
        "q_lateral": squash(sum_leads(q[:, [I, AVL, V5, V6]]), 0.1),
        "q_anterior": squash(sum_leads(q[:, [V2, V3, V4]]), 0.1),
    }


def voltage_features(r: np.ndarray, deep: np.ndarray, borders: Borders) -> Features:
    """Return hypertrophy criteria and low voltage from R and S, ``(batch, lead)`` millivolt."""
    span = r - deep
    sokolow = np.maximum(r[:, V5], r[:, V6]) - deep[:, V1]
    cornell = r[:, AVL] - deep[:, V3]
    limbs, chest = span[:, :V1].max(-1), span[:, V1:].max(-1)
    return {
        "sokolow": squash(sokolow, 1.0),
        "sokolow_over": np.clip(sokolow - 3.0, 0, 5),
        "sokolow_right": squash(r[:, V1] - np.minimum(deep[:, V5], deep[:, V6]), 1.0),
        "cornell": squash(cornell, 1.0),
        "cornell_over": np.clip(cornell - 1.8, 0, 5),
        "cornell_product": squash(cornell, 1.0) * np.nan_to_num(borders.qrs_off - borders.qrs_on, nan=10.0),
        "lewis": squash(r[:, I] + deep[:, I] - r[:, III] - deep[:, III], 1.0),
        "limb_span": np.log(limbs + 0.05),
        "limb_low": np.maximum(0.7 - limbs, 0),
        "chest_span": np.log(chest + 0.05),
        "chest_low": np.maximum(1.2 - chest, 0),
        "limb_total": np.log(sum_leads(span[:, :V1]) + 0.1),
        "chest_total": np.log(sum_leads(span[:, V1:]) + 0.1),
    }


def st_t_features(beat: np.ndarray, borders: Borders) -> Features:
    """Return ST at J and J + 60 ms, its slope from J to J + 80 ms, and T, per lead."""
    j = borders.qrs_off
    st_0, st_60, st_80 = (interpolate_at(beat, j + after / MS) for after in (0, 60, 80))
    high, low = find_extremes(beat, window_mask(j + 6, borders.t_end + 2))
    top = np.where(high > -low, high, low)
    return {
        **per_lead("st_0", squash(st_0, 0.1)),
        **per_lead("st_60", squash(st_60, 0.1)),
        **per_lead("st_slope", squash(st_80 - st_0, 0.1)),
        **per_lead("t_high", squash(high, 0.1)),
        **per_lead("t_low", squash(low, 0.1)),
        **per_lead("t_ratio", top / (beat.max(-1) - beat.min(-1) + 0.05)),
        **per_lead("t_up", np.tanh(interpolate_at(beat, borders.t_peak) / 0.05)),  # polarity
        "st_depressed": sum_leads(np.clip(st_60, -0.5, 0)),
        "st_raised": sum_leads(np.clip(st_60, 0, 0.5)),
        "t_inverted": sum_leads(top[:, [I, II, AVL, AVF, V2, V3, V4, V5, V6]] < -0.05),
        "t_flat": sum_leads(np.abs(top[:, [I, II, V3, V4, V5, V6]]) < 0.1),
    }


def p_features(beat: np.ndarray, spread: np.ndarray, borders: Borders) -> Features:
    """Return P per lead, its terminal force in V1, and its constancy from beat to beat (absent in fibrillation)."""
    high, low = find_extremes(beat, window_mask(borders.p_on - 1, borders.p_off + 1))
    late = window_mask(borders.p_peak, borders.p_off + 1)
    before_qrs = window_mask(borders.qrs_on - 25, borders.qrs_on - 4)
    after_t = window_mask(borders.t_end, np.full(len(beat), np.inf))
    energy = np.where(before_qrs, beat, 0).std(-1)
    noise = mean_where(before_qrs, spread)
    return {
        **per_lead("p", squash(interpolate_at(beat, borders.p_peak), 0.05)),
        **per_lead("p_high", squash(high, 0.05)),
        **per_lead("p_low", squash(low, 0.05)),
        **per_lead("p_steady", np.log((energy + 0.005) / (noise + 0.01))),
        "p_force_V1": squash(np.where(late, beat.clip(max=0), 0)[:, V1].sum(-1) * MS, 2.0),  # millivolt ms
        "p_share": np.log((sum_leads(energy) + 0.01) / (sum_leads(beat.std(-1)) + 0.01)),
        "p_steady": np.log((sum_leads(energy) + 0.02) / (sum_leads(noise) + 0.05)),
        "rest_noise": np.log(sum_leads(mean_where(after_t, spread)) + 0.02),
    }


def mean_where(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean over samples under a mask ``(batch, 1, BEAT)``: ``(batch, lead)``; 0 where it is empty."""
    return np.where(mask, values, 0).sum(-1) / np.maximum(mask.sum(-1), 1)


def axis_features(beat: np.ndarray, borders: Borders) -> Features:
    """Return frontal axes and areas in space of P, QRS and T, and QRS-T angles.

    Axes are in radians, 0 towards lead I, positive downwards.
    """
    waves = {
        "p": window_mask(borders.p_on, borders.p_off),
        "qrs": window_mask(borders.qrs_on, borders.qrs_off),
        "t": window_mask(borders.qrs_off + 6, borders.t_end),
    }
    out: Features = {}
    space = {}
    for name, mask in waves.items():
        area = np.where(mask, beat, 0).sum(-1)
        x, y = area[:, I].copy(), (area[:, II] + area[:, III]) / np.sqrt(3)
        length = np.hypot(x, y) + 0.02
        out |= {f"{name}_axis": np.arctan2(y, x), f"{name}_axis_cos": x / length, f"{name}_axis_sin": y / length}
        chest = area[:, [LEADS.index(lead) for lead in CHEST]]
        space[name] = {axis: sum_leads(chest * np.asarray(row)) for axis, row in KORS.items()}
        out |= {f"{name}_{axis}": squash(value, 1.0) for axis, value in space[name].items()}
    out["qrs_t_front"] = out["qrs_axis_cos"] * out["t_axis_cos"] + out["qrs_axis_sin"] * out["t_axis_sin"]
    out["qrs_t_space"] = _cosine(space["qrs"], space["t"])
    return out


def _cosine(a: Features, b: Features) -> np.ndarray:
    """Return the cosine of the angle between two vectors, drawn to 0 where one of them is tiny."""
    dot = a["x"] * b["x"] + a["y"] * b["y"] + a["z"] * b["z"]
    lengths = [np.sqrt(v["x"] ** 2 + v["y"] ** 2 + v["z"] ** 2) for v in (a, b)]
    return dot / (lengths[0] * lengths[1] + 0.01)


def pacing_features(signal: np.ndarray, beats: Beats) -> Features:
    """Return the sharpest bend (second difference, millivolt) anywhere, at the beats, and at the start of QRS."""
    bend = np.abs(np.diff(signal, n=2, axis=-1)).max(1)  # (batch, time)
    rows = np.arange(len(signal))[:, None, None]
    at_beats = bend[rows, beats.times[..., None] + np.arange(-15, 6)].max(-1)
    usual = np.where(beats.valid, at_beats, 0).sum(-1) / np.maximum(beats.valid.sum(-1), 1)
    start = np.abs(np.diff(beats.median, n=2, axis=-1))[..., BEFORE - 14 : BEFORE + 6].max(1)
    return {
        "sharpest": np.log(bend.max(-1) + 0.01),
        "sharp_beats": np.log(usual + 0.01),
        "sharp_start": np.log(start[:, :10].max(-1) + 0.01),
        "sharp_ratio": np.log((start.max(-1) + 0.01) / (np.abs(beats.median).max((1, 2)) + 0.1)),
    }
