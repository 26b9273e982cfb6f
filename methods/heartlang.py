"""HeartLang: heartbeats as words, recordings as sentences, learnt by filling in hidden words (Jin et al., ICLR 2025).

Jin et al., "Reading Your Heart: Learning ECG Words and Sentences via Pre-training ECG Language Model", ICLR 2025, arXiv
2502.10707. The network reads no sample between two words: what the beat detector misses, it never sees.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.api import MethodCard, SequenceMethod, SignalSpec, Weights
from benchmark.registry import METHODS
from methods.nn.heartlang.former import ECGFormer
from methods.nn.heartlang.sentence import RATE, SENTENCE, WORD, BeatsFrom, detect_beats, make_sentence
from methods.nn.released_input import resample_by_fourier, standardise_by_ptbxl

SECONDS = 10
BAND, ORDER = (0.67, 40.0), 5  # Hz and order of the release's Butterworth filter
CSN_RANGE = 3.0  # the release scales each recording of CSN to -3..3
FINE_TUNED = "backbone."  # before each name in the files of the official fine-tuning


@METHODS.register("heartlang")
class HeartLang(nn.Module, SequenceMethod):
    """Published sizes by default. It is not trained here, so without weights it is a random network.

    `input` prepares recordings as the release does for one of its datasets. ``"ptbxl"``: 100 Hz, no filter, one mean
    and deviation for all recordings. ``"mimic"``, which the weights learnt from: millivolt at 500 Hz, resampled to 100
    Hz by Fourier transform, 0.67 to 40 Hz, not scaled. ``"csn"``: each recording scaled to -3..3, then as for MIMIC.
    `beats_from` says whether the beats of lead I stand for all leads, or each lead has its own.
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="HeartLang",
        paper="Jin et al., ICLR 2025 (arXiv 2502.10707)",
        licence="MIT",
        trained_on=("mimic_iv_ecg",),
        weights={"base": Weights("hub:PKUDigitalHealth/HeartLang/checkpoint-200.pth", "", "MIT")},
        note=(
            "An adapter for published weights; without them it is random. The last epoch was kept. The release feeds "
            "PTB-XL in another scale (about 4.25 times) and band than it pre-trained on, which is the default here; "
            "input = 'mimic' is the form of pre-training. Beats come from lead I, as at the release's commit a08afd8; "
            "an earlier commit detects them in every lead (beats_from = 'each_lead'). Where lead I is flat there are "
            "no words. From 22 beats on, the last leads lose words."
        ),
    )

    def __init__(
        self,
        input: Literal["ptbxl", "mimic", "csn"] = "ptbxl",
        beats_from: BeatsFrom = "lead_I",
        width: int = 768,
        depth: int = 12,
        heads: int = 8,
        head_width: int = 64,
        hidden: int = 1024,
        codes: int = 8192,
    ) -> None:
        super().__init__()
        self.input, self.beats_from = input, beats_from
        self.encoder = ECGFormer(SENTENCE, WORD, width, depth, heads, head_width, hidden, codes)

    @property
    def signal(self) -> SignalSpec:
        """10 s in millivolt: at 100 Hz for PTB-XL, at 500 Hz where the release resamples by itself."""
        return SignalSpec(rate=RATE if self.input == "ptbxl" else 500.0, seconds=SECONDS)

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the token of the whole sentence: ``(batch, lead, time)`` -> ``(batch, width)``."""
        return self._read(ecg)[:, 0]

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return a token per word, padding included: ``(batch, lead, time)`` -> ``(batch, 256, width)``."""
        return self._read(ecg)[:, 1:]

    def prepare(self, ecg: Tensor) -> Tensor:
        """Bring ``(batch, lead, time)`` millivolt into the form of `input`, at 100 Hz."""
        if self.input == "ptbxl":
            return standardise_by_ptbxl(ecg)
        if self.input == "csn":
            low, high = ecg.amin((1, 2), keepdim=True), ecg.amax((1, 2), keepdim=True)
            ecg = torch.where(high > low, 2 * CSN_RANGE * (ecg - low) / (high - low) - CSN_RANGE, 0.0)
        return _band_pass(resample_by_fourier(ecg, SECONDS * RATE))

    def words(self, ecg: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the words ``(batch, 256, 96)`` of prepared recordings, their lead numbers and their seconds."""
        if ecg.is_meta:  # it has shapes alone, so there is nothing to find a beat in
            numbers = ecg.new_zeros(len(ecg), SENTENCE, dtype=torch.long)
            return ecg.new_zeros(len(ecg), SENTENCE, WORD), numbers, numbers
        signals = ecg.double().cpu().numpy()
        sentences = [make_sentence(signal, detect_beats(signal, self.beats_from)) for signal in signals]
        words, leads, seconds = (torch.from_numpy(np.stack(part)) for part in zip(*sentences, strict=True))
        return words.to(ecg), leads.to(ecg.device), seconds.to(ecg.device)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add our prefix to an official file's names; of a fine-tuned file keep the network and no classifier."""
        if any(name.startswith("encoder.") for name in state):
            return state  # a file of this project
        if any(name.startswith(FINE_TUNED) for name in state):
            state = {name.removeprefix(FINE_TUNED): state[name] for name in state if name.startswith(FINE_TUNED)}
        return {f"encoder.{name}": value for name, value in state.items()}

    def _read(self, ecg: Tensor) -> Tensor:
        return self.encoder(*self.words(self.prepare(ecg)))


def _band_pass(ecg: Tensor) -> Tensor:
    """Filter at 100 Hz forwards and backwards, by transfer function and not by sections, as the release does."""
    if ecg.is_meta:
        return ecg
    from scipy.signal import butter, filtfilt

    filtered = filtfilt(*butter(ORDER, BAND, "bandpass", fs=RATE), ecg.double().cpu().numpy(), axis=-1)
    return torch.from_numpy(filtered.copy()).to(ecg)
