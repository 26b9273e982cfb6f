"""ECG-FM: a transformer trained on signals alone, with its published weights (McKeen et al., arXiv 2408.05178).

McKeen et al., "ECG-FM: An Open Electrocardiogram Foundation Model", 2024. Its pre-training is W2V + CMSC + RLM.
`methods.w2v_cmsc_rlm` trains such an encoder; this adapter reads recordings exactly as the release does.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from benchmark.api import MethodCard, SequenceMethod, SignalSpec, Weights
from benchmark.errors import UsageError
from benchmark.registry import METHODS
from methods.nn.fairseq_files import PRETRAINING, our_names, without_classifier
from methods.nn.wav2vec import Wav2Vec

RATE, SECONDS = 500, 10
FILES = {"pretrained": "mimic_iv_ecg_physionet_pretrained.pt", "finetuned": "mimic_iv_ecg_finetuned.pt"}


@METHODS.register("ecg_fm")
class ECGFM(nn.Module, SequenceMethod):
    """Published sizes by default. It is not trained here, so without weights it is a random network.

    A recording of 10 s is read in `segments` equal parts, each by itself: two of 5 s as in the release, or one of 10 s.
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="ECG-FM",
        paper="McKeen et al., arXiv 2408.05178; objective: Oh et al., CHIL 2022 (arXiv 2203.06889)",
        licence="MIT (code and weights); this is a re-implementation",
        trained_on=("mimic_iv_ecg", "ptbxl", "cpsc2018", "csn"),
        weights={tag: Weights(f"hub:wanglab/ecg-fm/{file}", "", "MIT") for tag, file in FILES.items()},
        note=(
            "An adapter for published weights; without them it is random. By its name the pre-trained file saw "
            "MIMIC-IV-ECG and the PhysioNet challenge, which contains PTB-XL, CPSC2018 and CSN. Recordings are "
            "resampled to 500 Hz by linear interpolation, each lead is standardised over the whole recording, and "
            "segments of 5 s are read one by one. The feature is the mean over the tokens of all segments; the "
            "release averages or maximises predictions of segments instead."
        ),
    )

    def __init__(self, segments: int = 2, width: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        if segments not in (1, 2):
            raise UsageError(f"ecg_fm: segments is {segments}; it must be 1 or 2")
        self.segments = segments
        self.model = Wav2Vec(width, depth, heads)

    @property
    def signal(self) -> SignalSpec:
        """10 s at 500 Hz in standard lead order, each lead standardised; resampled by linear interpolation."""
        return SignalSpec(rate=RATE, seconds=SECONDS, scaling="zscore_lead", resampling="linear")

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the mean over the tokens of all segments: ``(batch, lead, time)`` -> ``(batch, 768)``."""
        return self.ecg_tokens(ecg).mean(1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the tokens of all segments in their order: ``(batch, lead, time)`` -> ``(batch, 312, 768)``."""
        parts = ecg.unflatten(-1, (self.segments, -1)).transpose(1, 2).flatten(0, 1)  # (batch * segment, lead, time)
        return self.model.encode(self.model.embed(parts)).unflatten(0, (-1, self.segments)).flatten(1, 2)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the encoder's entries of a pre-trained or a fine-tuned file."""
        if any(name.startswith("model.") for name in state):
            return state  # a file of this project
        entries = our_names(without_classifier(state))
        return {f"model.{name}": value for name, value in entries.items() if not name.startswith(PRETRAINING)}
