"""MELP: a W2V-CMSC encoder aligned with reports at three levels, beat, rhythm and word (Wang et al., ICML 2025).

Wang et al., "From Token to Rhythm: A Multi-Scale Approach for ECG-Language Pretraining", ICML 2025, arXiv 2506.21803.
Its text side is not published, so the weights serve probes and no zero-shot.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmark.api import LEAD_ORDERS, MethodCard, SequenceMethod, SignalSpec, Weights
from benchmark.registry import METHODS
from methods.nn.fairseq_files import our_names
from methods.nn.melp.attentional_pooler import AttentionalPooler
from methods.nn.wav2vec import Wav2Vec

PREFIX = "ecg_encoder."  # of the whole tower, in the published file and in checkpoints of its training
TOWER = ("ecg_encoder.", "attn_pool_contrast.", "ln_contrast.", "proj_contrast", "attn_pool_caption.", "ln_caption.")
UNREAD = tuple(f"{PREFIX}{name}" for name in ("mask_emb", "quantizer.", "project_q.", "final_proj."))
QUERY = "attn_pool_contrast.query"


@METHODS.register("melp")
class MELP(nn.Module, SequenceMethod):
    """Published sizes by default. It is not trained here, so without weights it is a random network.

    `features` is what a probe reads: ``"probe"``, the input of the release's linear probe (256 channels), ``"rhythm"``,
    the vector that its training compares with reports (256), or ``"encoder"``, the mean token (768). The number of
    `queries` follows the file: the published one has 14, a reproduction 12, the code's default 13.
    """

    readout_options = ("features",)
    card: ClassVar[MethodCard] = MethodCard(
        title="MELP",
        paper="Wang et al., ICML 2025 (arXiv 2506.21803)",
        licence="MIT (code), Apache-2.0 (weights); this is a re-implementation",
        trained_on=("mimic_iv_ecg",),
        selected_on=("ptbxl:val", "cpsc2018", "csn"),
        weights={"released": Weights("hub:fuyingw/MELP_Encoder/model.safetensors", "", "Apache-2.0")},
        note=(
            "An adapter for published weights; without them it is random. Their epoch was selected by zero-shot scores "
            "on labelled validation splits of PTB-XL, CPSC2018 and CSN. The file holds the side of recordings alone: "
            "its text side is not published, so there is no zero-shot. The release cuts CPSC2018 to 5 s and pads it "
            "with zeros before scaling; here it is read like every other set."
        ),
    )

    def __init__(
        self,
        features: Literal["probe", "rhythm", "encoder"] = "probe",
        width: int = 768,
        depth: int = 8,
        heads: int = 12,
        embed_dim: int = 256,
        queries: int = 14,
        caption_queries: int = 128,
    ) -> None:
        super().__init__()
        self.features = features
        self.ecg_encoder = Wav2Vec(width, depth, heads)
        self.attn_pool_contrast = AttentionalPooler(width, embed_dim, queries)
        self.ln_contrast = nn.LayerNorm(embed_dim)
        self.proj_contrast = nn.Parameter(embed_dim**-0.5 * torch.randn(embed_dim, embed_dim))
        self.attn_pool_caption = AttentionalPooler(width, width, caption_queries)
        self.ln_caption = nn.LayerNorm(width)

    @property
    def signal(self) -> SignalSpec:
        """10 s at 500 Hz in MIMIC's lead order, the whole record scaled to 0..1."""
        return SignalSpec(rate=500, seconds=10, leads=LEAD_ORDERS["mimic"], scaling="minmax_record")

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the vector that `features` names: ``(batch, lead, time)`` -> ``(batch, 256)``, or ``(batch, 768)``."""
        tokens = self.encode(ecg)
        if self.features == "encoder":
            return tokens.mean(1)
        pooled = self.ln_contrast(self.attn_pool_contrast(tokens))
        return (pooled @ self.proj_contrast if self.features == "rhythm" else pooled).mean(1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return what the release's report decoder reads: ``(batch, lead, time)`` -> ``(batch, 128, 768)``."""
        return self.ln_caption(self.attn_pool_caption(self.encode(ecg)))

    def beat_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the vectors that training compares with sentences: -> ``(batch, query, 256)``."""
        return self.ln_contrast(self.attn_pool_contrast(self.encode(ecg))) @ self.proj_contrast

    def encode(self, ecg: Tensor) -> Tensor:
        """Return the encoder's tokens: ``(batch, lead, time)`` -> ``(batch, 312, 768)``."""
        return self.ecg_encoder.encode(self.ecg_encoder.embed(ecg))

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tower's entries of a published file or of a whole training; the queries take the file's number."""
        if any(name.startswith(f"{PREFIX}attn_pool") for name in state):
            state = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
        entries = {
            name: value
            for name, value in our_names(state).items()
            if name.startswith(TOWER) and not name.startswith(UNREAD)
        }
        query, own = entries.get(QUERY), self.attn_pool_contrast.query
        if query is not None and query.ndim == 2 and query.shape[1] == own.shape[1]:
            self.attn_pool_contrast.query = nn.Parameter(own.new_zeros(query.shape))
        return entries
