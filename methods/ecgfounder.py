"""ECGFounder: a convolutional network that learnt 150 diagnoses from over ten million recordings; its weights alone.

Li et al., "An Electrocardiogram Foundation Model Built on over 10 Million Recordings with External Evaluation across
Multiple Domains", NEJM AI 2025, arXiv 2410.04133.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from benchmark.api import MethodCard, SequenceMethod, SignalSpec, Weights
from benchmark.registry import METHODS
from methods.nn.ecgfounder.net1d import BLOCKS, FILTERS, Net1D

UNUSED = ("first_bn.", "bn1.", "bn2.", "bn3.", "dense.")  # norms that the published network skips; its output layer


@METHODS.register("ecgfounder")
class ECGFounder(nn.Module, SequenceMethod):
    """Published sizes by default; not trained here, so without weights it is a random network.

    `filtered` is how the published weights were trained and tested: notch at 50 Hz, 0.67 to 40 Hz, minus a median over
    0.4 s. The official fine-tuning examples leave all three out (False).
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="ECGFounder",
        paper="Li et al., NEJM AI 2025 (arXiv 2410.04133)",
        licence="MIT",
        trained_on=("heedb",),
        weights={"12_lead": Weights("hub:PKUDigitalHealth/ECGFounder/12_lead_ECGFounder.pth", "", "MIT")},
        note=(
            "The project's own code for published weights; without them it is random. Supervised: it has seen 150 "
            "diagnostic labels of the Harvard-Emory database. The file holds numbers of its training beside tensors."
        ),
    )

    def __init__(
        self, filtered: bool = True, filters: tuple[int, ...] = FILTERS, blocks: tuple[int, ...] = BLOCKS
    ) -> None:
        super().__init__()
        cleaning = {"notch": 50.0, "band_pass": (0.67, 40.0), "median_baseline": 0.4} if filtered else {}
        self._signal = SignalSpec(scaling="zscore_record", **cleaning)  # type: ignore[arg-type]
        self.encoder = Net1D(len(self._signal.leads), filters, blocks)

    @property
    def signal(self) -> SignalSpec:
        """10 s at 500 Hz, each recording standardised as a whole."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Mean over time: ``(batch, lead, time)`` -> ``(batch, 1024)``."""
        return self.encoder(ecg).mean(-1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """``(batch, lead, time)`` -> ``(batch, 20, 1024)`` for 10 s."""
        return self.encoder(ecg).transpose(1, 2)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The official file's names have no prefix; what its forward pass never touches is left behind."""
        if any(name.startswith("encoder.") for name in state):
            return state  # our own
        kept = (name for name in state if not any(f".{part}" in f".{name}" for part in UNUSED))
        return {f"encoder.{name}": state[name] for name in kept}
