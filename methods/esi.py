"""ESI: recordings aligned with descriptions that a language model wrote, and captioning (Yu et al., TMLR 2024).

Yu, Guo & Sano, "ECG Semantic Integrator (ESI): A Foundation ECG Model Pretrained with LLM-Enhanced Cardiological Text",
Transactions on Machine Learning Research 2024, arXiv 2405.19366. Written from a description of its network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import normalize

from benchmark.api import LEAD_ORDERS, AlignedMethod, MethodCard, SequenceMethod, SignalSpec, Weights
from benchmark.errors import LeftOut
from benchmark.registry import METHODS
from methods.nn.esi.convnext import ConvNeXt1D, ScaleOnlyNorm, project
from methods.nn.text import build_text_encoder

EPSILON = 1e-6
TEXT_WIDTH = 768
OFFICIAL = {  # prefixes of official names -> ours; other entries are the caption decoder, or used by no forward pass
    "img_encoder.": "encoder.",
    "img_token_head.": "token_head.",
    "img_attn_pool_norm.": "token_norm.",
    "img_to_latents.": "ecg_latents.",
    "unimodal_layers.": "lm_model.",
    "text_to_latents.": "text_latents.",
}
OF_TEXT = ("lm_model.", "text_latents.")
UNUSED = "img_encoder.head."  # the classifier of ConvNeXt, which no forward pass reaches


@METHODS.register("esi")
class ESI(nn.Module, SequenceMethod, AlignedMethod):
    """Published sizes by default. It is not trained here, so without weights it is a random network.

    `text_model` is the published text model by hub id or path (michiyasunaga/BioLinkBERT-base), whose weights the file
    replaces by those after pre-training; ``"none"`` leaves it out: features and recordings' embeddings only.
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="ESI",
        paper="Yu et al., TMLR 2024 (arXiv 2405.19366)",
        licence="the project's own code; official code and weights GPL-3.0",
        trained_on=("mimic_iv_ecg", "further databases of ESI's 660,000 pairs"),
        weights={
            "base": Weights("the folder that the README of comp-well-org/ESI links", "", "GPL-3.0", "model.safetensors")
        },
        note=(
            "An adapter for published weights, written from facts about the network; without them it is random. The "
            "paper speaks of 660,000 pairs from several databases, the code reads MIMIC-IV-ECG in the order of its "
            "files (aVF before aVL); which others the weights saw is not known here. Nor is it known which encoder "
            "the published file holds: the base size fits here, any other is refused. The text side has not been "
            "compared with official outputs. Its reports read 'This patient is a N year-old Gender. ECG Findings: "
            "...', so prompts of another form are far from what it learnt."
        ),
    )

    def __init__(
        self,
        channels: tuple[int, ...] = (128, 256, 512, 1024),
        blocks: tuple[int, ...] = (3, 3, 27, 3),
        width: int = 768,
        text_model: str | None = "none",
    ) -> None:
        super().__init__()
        self.encoder = ConvNeXt1D(len(self.signal.leads), channels, blocks)
        self.token_head = nn.Linear(channels[-1], width)
        self.token_norm = ScaleOnlyNorm(width)
        self.ecg_latents = project(width, width)
        self.lm_model = build_text_encoder(text_model)
        self.text_latents = project(self.lm_model.width, width) if self.lm_model else None

    @property
    def signal(self) -> SignalSpec:
        """10 s at 500 Hz in MIMIC's lead order; the network standardises by itself."""
        return SignalSpec(leads=LEAD_ORDERS["mimic"])

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the mean over time after the last norm: ``(batch, lead, time)`` -> ``(batch, 1024)``."""
        return self.encoder.norm(self.encoder(standardise(ecg)).mean(-1))

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the encoder's steps: ``(batch, lead, time)`` -> ``(batch, 156, 1024)`` for 10 s."""
        return self.encoder(standardise(ecg)).transpose(1, 2)

    def image_embedding(self, ecg: Tensor) -> Tensor:
        """Return the vector that the caption decoder reads: ``(batch, lead, time)`` -> ``(batch, width)``."""
        return self.token_norm(self.token_head(self.ecg_features(ecg)))

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Return vectors of unit length: ``(batch, lead, time)`` -> ``(batch, width)``."""
        return normalize(self.ecg_latents(self.image_embedding(ecg)), dim=-1)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of unit length, from the state of the first token: texts -> ``(len(texts), width)``."""
        if self.lm_model is None or self.text_latents is None:
            raise LeftOut(
                "this ESI has no text model (text_model = 'none'), so it gives no text embeddings: set text_model to "
                "michiyasunaga/BioLinkBERT-base or to a folder that holds it"
            )
        return normalize(self.text_latents(self.lm_model(texts).tokens[:, 0]), dim=-1)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the entries of an official file and keep those that this configuration uses."""
        if not any(name.startswith("img_") for name in state):
            return state  # a file of this project
        renamed = {}
        for name, value in state.items():
            prefix = next((prefix for prefix in OFFICIAL if name.startswith(prefix)), None)
            if prefix is not None and not name.startswith(UNUSED):
                renamed[OFFICIAL[prefix] + name.removeprefix(prefix)] = value
        with_text = self.lm_model is not None
        return {name: value for name, value in renamed.items() if with_text or not name.startswith(OF_TEXT)}


def standardise(ecg: Tensor) -> Tensor:
    """Subtract one mean over ``(lead, time)`` and divide by one deviation, the unbiased one, per recording."""
    deviation = ecg.std((1, 2), keepdim=True)
    return (ecg - ecg.mean((1, 2), keepdim=True)) / (deviation + EPSILON)
