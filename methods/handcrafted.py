"""Handcrafted features: baseline of rates, intervals, amplitudes and spectra of a recording, without training.

Learned representations should beat it. It is built from textbook ideas (Pan & Tompkins 1985, Sokolow & Lyon 1949); the
modules in `methods.nn.handcrafted` name the source of each measure.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.api import LEADS, Method, MethodCard, SignalSpec
from benchmark.errors import UsageError
from benchmark.registry import METHODS
from methods.nn.handcrafted import morphology, rhythm
from methods.nn.handcrafted.beats import EDGE, GRID, Beats, analysis_grid, find_beats
from methods.nn.handcrafted.delineation import Borders, find_borders

Features = dict[str, np.ndarray]
CHUNK = 32  # recordings at a time, so that intermediate arrays stay in the cache
BANDS = (0.5, 3.0, 8.0, 15.0, 25.0, 40.0)  # Hz, borders
SPECTRAL = ("II", "V1", "V5")

# Values of measures that cannot be taken: the median of PTB-XL's normal recordings (rounded), so that only the flags
# tell a linear probe. Measures that are not listed have 0.
NEUTRAL = (
    {"rate_mean": 69.0, "rate_usual": 69.0, "rate_min": 65.0, "rate_max": 73.0, "rr_mean": 0.87}
    | {"sdnn": -3.6, "rmssd": -3.6, "rr_variation": -3.5, "rr_jumps": -3.5, "jump_usual": -3.7, "jump_calm": -4.1}
    | {"shortest": 0.96, "longest": 1.04, "smooth_variation": 0.87}
    | {"likeness_mean": 0.97, "likeness_min": 0.93, "likeness_usual": -3.0, "width": 11.6, "width_max": 12.0}
    | {"pr": 150.0, "pr_segment": 53.0, "p_peak": 100.0, "p_wide": 94.0, "qrs": 102.0, "qt": 384.0, "jt": 282.0}
    | {"qtc_bazett": 412.0, "qtc_fridericia": 401.0, "t_peak": 298.0, "t_tail": 85.0}
)


@METHODS.register("handcrafted")
class Handcrafted(Method):
    """Features with names from cardiology, in a fixed order (`feature_names`); always finite."""

    card = MethodCard(
        title="Handcrafted features",
        paper="none; textbook ideas such as Pan & Tompkins 1985 and Sokolow & Lyon 1949",
        licence="the project's own code",
        note=(
            "Rates, intervals, amplitudes, axes and spectra in plain numpy; no weights, nothing to train. The features "
            "were selected on PTB-XL's fold 9, with fold 10 in view, so the results on fold 10 are a little optimistic."
        ),
    )

    def __init__(self, rate: float = 100.0, seconds: float = 10.0) -> None:
        if not (rate >= 50 and seconds >= 2):
            raise UsageError(f"handcrafted needs rate >= 50 Hz and seconds >= 2, not rate={rate}, seconds={seconds}")
        self.rate, self.seconds = rate, seconds
        empty = np.zeros((1, len(LEADS), self.signal.samples), np.float32)
        self.feature_names: list[str] = list(measure_features(empty, rate))

    @property
    def signal(self) -> SignalSpec:
        """Millivolt at the configured rate."""
        return SignalSpec(rate=self.rate, seconds=self.seconds, scaling="millivolt")

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the features: ``(batch, lead, time)`` millivolt -> ``(batch, len(feature_names))`` float32."""
        signals = ecg.detach().float().cpu().numpy()
        out = np.zeros((len(signals), len(self.feature_names)), np.float32)
        for start in range(0, len(signals), CHUNK):
            out[start : start + CHUNK] = tabulate(measure_features(signals[start : start + CHUNK], self.rate))
        return torch.from_numpy(out).to(ecg.device)


def tabulate(features: Features) -> np.ndarray:
    """Stack named columns ``(batch,)`` into ``(batch, dim)`` float32, with `NEUTRAL` values in place of NaN."""
    neutral = np.array([NEUTRAL.get(name, 0.0) for name in features])
    columns = np.stack(list(features.values()), axis=-1)
    return np.where(np.isnan(columns), neutral, columns).astype(np.float32)


def measure_features(ecg: np.ndarray, rate: float) -> Features:
    """Return all features of ``(batch, lead, time)`` millivolt at `rate` Hz, ``(batch,)`` each; NaN if unmeasurable."""
    signal, power = analysis_grid(ecg, rate)
    beats = find_beats(signal)
    rr = np.nan_to_num(rhythm.median_rr(beats), nan=0.87)  # seconds
    borders = find_borders(beats.median, rr * GRID)
    beat = morphology.subtract_level(beats.median, borders)
    return {
        **flag_features(signal, beats, borders),
        **rhythm.rate_features(beats),
        **rhythm.pattern_features(beats),
        **rhythm.ectopy_features(beats),
        **rhythm.atrial_features(beats),
        **morphology.interval_features(borders, rr),
        **morphology.qrs_features(beat, borders),
        **morphology.st_t_features(beat, borders),
        **morphology.p_features(beat, beats.spread, borders),
        **morphology.axis_features(beat, borders),
        **morphology.pacing_features(signal, beats),
        **spectral_features(power, signal.shape[-1] / GRID),
    }


def flag_features(signal: np.ndarray, beats: Beats, borders: Borders) -> Features:
    """Return flags of missing measures: flat leads, a rhythm of fewer than three beats, a beat without borders."""
    inner = signal[..., EDGE:-EDGE]
    return {
        "flat_leads": (inner.max(-1) - inner.min(-1) < 0.01).sum(-1).astype(float),  # millivolt
        "no_rhythm": (beats.valid.sum(-1) < 3).astype(float),
        "no_borders": (np.isnan(borders.qrs_on) | np.isnan(borders.qrs_off)).astype(float),
    }


def spectral_features(power: np.ndarray, seconds: float) -> Features:
    """Return log power (millivolt squared) in bands and spectral entropy of a power spectrum ``(batch, lead, bin)``.

    Bin k lies at k / `seconds` Hz.
    """
    edges = [round(hertz * seconds) for hertz in BANDS]
    out: Features = {}
    for name in SPECTRAL:
        spectrum = power[:, LEADS.index(name)]
        for hertz, low, high in zip(BANDS, edges, edges[1:], strict=False):
            out[f"band_{name}_{hertz:g}"] = np.log(spectrum[:, low:high].sum(-1) + 1e-8)
        passband = spectrum[:, edges[0] : edges[-1]]
        share = passband / (passband.sum(-1, keepdims=True) + 1e-9)
        out[f"entropy_{name}"] = -(share * np.log(share + 1e-9)).sum(-1)
    return out
