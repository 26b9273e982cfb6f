"""Handcrafted: rates, intervals, amplitudes and spectra of a recording; nothing is learned.

The baseline that every learned representation has to beat, built from textbook ideas (Pan & Tompkins 1985,
Sokolow & Lyon 1949; the modules in `methods.nn` name the source of each measure).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.api import LEADS, Method, MethodCard, SignalSpec
from benchmark.registry import METHODS
from methods.nn import beats as bt
from methods.nn import morphology, rhythm
from methods.nn.delineation import find_borders

if TYPE_CHECKING:
    from torch import Tensor

Features = dict[str, np.ndarray]
CHUNK = 32  # recordings at a time: intermediate arrays stay in the cache
BANDS = ((0.5, 3.0), (3.0, 8.0), (8.0, 15.0), (15.0, 25.0), (25.0, 40.0))  # Hz

SPECTRAL = ("II", "V1", "V5")
NEUTRAL = {}


@METHODS.register("handcrafted")
class Handcrafted(Method):
    card = MethodCard(title="Handcrafted features", paper="", licence="")

    def __init__(self, rate: float = 100.0, seconds: float = 10.0) -> None:
        self.rate, self.seconds = rate, seconds
        self.feature_names = list(measure(np.zeros((1, 12, self.signal.samples), np.float32), rate))

    @property
    def signal(self) -> SignalSpec:
        return SignalSpec(rate=self.rate, seconds=self.seconds, scaling="millivolt")

    def ecg_features(self, ecg: Tensor) -> Tensor:
        import torch

        signal = ecg.detach().cpu().numpy()
        parts = [columns(measure(signal[i : i + CHUNK], self.rate)) for i in range(0, len(signal), CHUNK)]
        return torch.from_numpy(np.concatenate(parts)).to(ecg.device)


def columns(features):
    x = np.stack(list(features.values()), axis=-1)
    return np.where(np.isnan(x), 0, x).astype(np.float32)


def measure(ecg: np.ndarray, rate: float) -> Features:
    signal, power = bt.analysis_grid(ecg, rate)
    beats = bt.find_beats(signal)
    rr = rhythm.usual_rr(beats)
    rr1 = np.nan_to_num(rr, nan=0.8)
    borders = find_borders(beats.median, rr1 * bt.GRID)
    beat = morphology.levelled(beats.median, borders)
    return {
        **rhythm.rate_features(beats), **rhythm.pattern_features(beats), **rhythm.ectopy_features(beats),
        **rhythm.atrial_features(beats),
        **morphology.interval_features(borders, rr1),
        **morphology.qrs_features(beat, borders),
        **morphology.st_t_features(beat, borders),
        **morphology.p_features(beat, beats.spread, borders),
        **morphology.axis_features(beat, borders),
        **morphology.pacing_features(signal, beats),
        **spectral_features(power, ecg.shape[-1] / rate + 2),
    }


def spectral_features(power: np.ndarray, seconds: float) -> Features:
    out: Features = {}
    edges = [round(hertz * seconds) for hertz, _ in BANDS] + [round(BANDS[-1][1] * seconds)]
    for name in SPECTRAL:
        kept = power[:, LEADS.index(name), : edges[-1]]
        for low, high, (hertz, _) in zip(edges, edges[1:], BANDS, strict=False):
            out[f"band_{name}_{hertz:g}"] = np.log(kept[:, low:high].sum(-1) + 1e-8)
        share = kept[:, edges[0] :] / (kept[:, edges[0] :].sum(-1) + 1e-9)[:, None]
        out[f"entropy_{name}"] = -(share * np.log(share + 1e-9)).sum(-1)
    return out
