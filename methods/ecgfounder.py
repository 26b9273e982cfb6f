"""ECGFounder: a published network, supervised with 150 diagnoses of over ten million recordings (Li et al., 2025).

Li et al., "An Electrocardiogram Foundation Model Built on over 10 Million Recordings with External Evaluation across
Multiple Domains", NEJM AI 2025, arXiv 2410.04133.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn

from benchmark.api import MethodCard, SequenceMethod, SignalSpec, Weights
from benchmark.registry import METHODS
from methods.nn.ecgfounder.net1d import BLOCKS, FILTERS, Net1D

UNUSED = ("first_bn.", "bn1.", "bn2.", "bn3.", "dense.")  # norms that the published network skips; its output layer


@METHODS.register("ecgfounder")
class ECGFounder(nn.Module, SequenceMethod):
    """Published sizes by default. It is not trained here, so without weights it is a random network.

    `filtered` prepares signals as for training and test of the published weights: notch at 50 Hz, 0.67 to 40 Hz, minus
    a median over 0.4 s. The official fine-tuning examples leave all three out (False).
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="ECGFounder",
        paper="Li et al., NEJM AI 2025 (arXiv 2410.04133)",
        licence="MIT",
        trained_on=("heedb",),
        weights={"12_lead": Weights("hub:PKUDigitalHealth/ECGFounder/12_lead_ECGFounder.pth", "", "MIT")},
        note=(
            "The project's own code for published weights; without them it is random. Supervised: it was trained on "
            "150 diagnostic labels of the Harvard-Emory database. Besides tensors, the file holds training metrics."
        ),
    )

    def __init__(
        self, filtered: bool = True, filters: tuple[int, ...] = FILTERS, blocks: tuple[int, ...] = BLOCKS
    ) -> None:
        super().__init__()
        self._signal = SignalSpec(scaling="zscore_record")
        if filtered:
            self._signal = replace(self._signal, notch=50.0, band_pass=(0.67, 40.0), median_baseline=0.4)
        self.encoder = Net1D(len(self._signal.leads), filters, blocks)

    @property
    def signal(self) -> SignalSpec:
        """10 s at 500 Hz, each recording standardised as a whole."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the mean over time: ``(batch, lead, time)`` -> ``(batch, 1024)``."""
        return self.encoder(ecg).mean(-1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the encoder's steps: ``(batch, lead, time)`` -> ``(batch, 20, 1024)`` for 10 s."""
        return self.encoder(ecg).transpose(1, 2)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add our prefix to an official file's names and drop entries that its forward pass never uses."""
        if any(name.startswith("encoder.") for name in state):
            return state  # a file of this project
        names = (name for name in state if not any(f".{part}" in f".{name}" for part in UNUSED))
        return {f"encoder.{name}": state[name] for name in names}
