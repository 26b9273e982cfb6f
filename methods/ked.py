"""KED: recordings read by queries, one for each diagnosis, that a language model described (Tian et al., 2024).

Tian et al., "Foundation model of ECG diagnosis: Diagnostics and explanations of any form and rhythm on ECG", Cell
Reports Medicine 2024. This is its encoder of recordings; the network of queries is not here.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from benchmark.api import LEAD_ORDERS, MethodCard, SequenceMethod, SignalSpec, Weights
from benchmark.registry import METHODS
from methods.nn.fold import copy_for_inference
from methods.nn.ked.tokens import TokenXResNet, our_names
from methods.nn.released_input import resample_by_fourier, standardise_by_ptbxl

RATE, SECONDS = 100, 10
FILE = "best_valid_all_increase_with_augment_epoch_3.pt"


@METHODS.register("ked")
class KED(nn.Module, SequenceMethod):
    """Published sizes by default. It is not trained here, so without weights it is a random network.

    `input` prepares recordings as the release does for one of its datasets. ``"ptbxl"``: 100 Hz, standard lead order,
    one mean and deviation for all recordings. ``"mimic"``, which the weights learnt from: millivolt at 500 Hz in
    MIMIC's lead order, resampled to 100 Hz by Fourier transform, not scaled.
    """

    checkpoint_entries = ("ecg_model",)
    card: ClassVar[MethodCard] = MethodCard(
        title="KED",
        paper="Tian et al., Cell Reports Medicine 2024 (ECGFM-KED)",
        licence="the project's own code; the official repository has no licence file",
        trained_on=("mimic_iv_ecg",),
        selected_on=("mimic_iv_ecg",),
        weights={"published": Weights("Zenodo record 14881564", "", "see the record", FILE)},
        note=(
            "An adapter for the encoder of published weights; without them it is random. The training script keeps "
            "the epoch with the best AUROC on validation labels of MIMIC-IV-ECG. The release reads a recording by "
            "queries, one per class with a description; that network is not here, so there is no zero-shot. The probe "
            "sees the mean over the 32 tokens, which the release's contrastive loss reads. No official activations "
            "were at hand. The release feeds PTB-XL standardised and in standard lead order, but learnt from "
            "MIMIC-IV-ECG in millivolt and in the order of its files: the first is the default, input = 'mimic' the "
            "second."
        ),
    )

    def __init__(
        self, input: Literal["ptbxl", "mimic"] = "ptbxl", widths: tuple[int, ...] = (64, 128, 128, 192)
    ) -> None:
        super().__init__()
        self.input = input
        self.encoder = TokenXResNet(len(self.signal.leads), widths)

    @property
    def signal(self) -> SignalSpec:
        """10 s in millivolt: at 100 Hz for PTB-XL, at 500 Hz where the release resamples by itself."""
        if self.input == "ptbxl":
            return SignalSpec(rate=RATE, seconds=SECONDS)
        return SignalSpec(seconds=SECONDS, leads=LEAD_ORDERS["mimic"])

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the mean over the tokens: ``(batch, lead, time)`` -> ``(batch, 768)``."""
        return self._maps(ecg).mean(-1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return what the queries read: ``(batch, lead, time)`` -> ``(batch, 32, 768)``."""
        return self._maps(ecg).transpose(1, 2)

    def for_inference(self, precision: str) -> KED:
        """Return a copy with the encoder's norms folded."""
        return copy_for_inference(self, precision)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the entries of an official encoder."""
        if any(name.startswith("encoder.") for name in state):
            return state  # a file of this project
        return {f"encoder.{name}": value for name, value in our_names(state).items()}

    def _maps(self, ecg: Tensor) -> Tensor:
        if self.input == "ptbxl":
            return self.encoder(standardise_by_ptbxl(ecg))
        return self.encoder(resample_by_fourier(ecg, SECONDS * RATE))
