"""MELP: a W2V-CMSC encoder aligned with reports at three levels, beat, rhythm and word (Wang et al., ICML 2025).

Wang et al., "From Token to Rhythm: A Multi-Scale Approach for ECG-Language Pretraining", ICML 2025, arXiv 2506.21803.
Its text side is not published, so the published weights serve probes and no zero-shot. With a text model the method
is trained here, with the three losses of the paper (section 3).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmark.api import (
    LEAD_ORDERS,
    AlignedMethod,
    Batch,
    MethodCard,
    SequenceMethod,
    SignalSpec,
    TrainableMethod,
    Weights,
)
from benchmark.errors import UsageError, raise_all
from benchmark.registry import METHODS
from methods.nn.contrastive import clip_loss
from methods.nn.lead_masking import mask_leads
from methods.nn.length_groups import distinct
from methods.nn.melp.attentional_pooler import AttentionalPooler
from methods.nn.melp.beat_alignment import beat_alignment_loss, sentence_means
from methods.nn.melp.caption_decoder import CaptionDecoder
from methods.nn.melp.checkpoint_names import select_entries
from methods.nn.melp.report_tower import HubReportTower, SmallReportTower, build_report_tower
from methods.nn.text_side import NoTextModel, TextSide
from methods.nn.transfer import hand_over
from methods.nn.wav2vec import Wav2Vec

POOL_HEADS = 8  # of both poolers and of the caption decoder
QUERY = "attn_pool_contrast.query"
FIRST_SCALE, MAX_LOG_SCALE = 1 / 0.07, math.log(100)  # of the similarities of recordings and reports


@METHODS.register("melp")
class MELP(TextSide, AlignedMethod, SequenceMethod, TrainableMethod):
    """Published sizes by default, without a text model as the published file: then there is no training.

    `features` is what a probe reads: ``"probe"``, the input of the release's linear probe (256 channels), ``"rhythm"``,
    the vector that its training compares with reports (256), or ``"encoder"``, the mean token (768). The number of
    `queries` follows the file: the published one has 14, a reproduction 12, the code's default 13.

    `text_model` is a hub id or path of a BERT (officially ncbi/MedCPT-Query-Encoder or fuyingw/heart_bert),
    ``"package:NAME"``, ``"small"`` or None (``"none"``). The first `frozen_layers` of a published one are not trained,
    its embeddings are. The losses are weighted by `clip_weight`, `caption_weight` and `local_weight`. `lead_masking` is
    the share of leads that are hidden in training. `rate` is in Hz; `channels`, `position_kernel`, `dropout` and
    `decoder_layers` are sizes.
    """

    lm_model: HubReportTower | SmallReportTower | None
    smallest_batch = 2
    readout_options = ("features",)
    card: ClassVar[MethodCard] = MethodCard(
        title="MELP",
        paper="Wang et al., ICML 2025 (arXiv 2506.21803)",
        licence="MIT (code), Apache-2.0 (weights); this is a re-implementation",
        trained_on=("mimic_iv_ecg",),
        selected_on=("ptbxl:val", "cpsc2018", "csn"),
        weights={"released": Weights("hub:fuyingw/MELP_Encoder/model.safetensors", "", "Apache-2.0")},
        note=(
            "trained_on and selected_on describe the published weights. Their epoch was selected by zero-shot scores "
            "on labelled validation splits of PTB-XL, CPSC2018 and CSN. The file holds the side of recordings alone: "
            "text_model='none' (the default) gives no zero-shot and no training. The release cuts CPSC2018 to 5 s and "
            "pads it with zeros before scaling; here it is read like every other set. When trained here, a report "
            "without a full stop is one sentence; the release drops it, and its local loss then mixes up the pairs."
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
        channels: int = 256,
        position_kernel: int = 128,
        dropout: float = 0.1,
        rate: float = 500.0,
        seconds: float = 10.0,
        lead_masking: float = 0.5,
        text_model: str | None = None,
        frozen_layers: int = 6,
        decoder_layers: int = 6,
        clip_weight: float = 1.0,
        caption_weight: float = 2.0,
        local_weight: float = 0.2,
    ) -> None:
        super().__init__()
        sizes = {"width": width, "embed_dim": embed_dim}
        problems = [
            f"{name} is {size}, no multiple of {POOL_HEADS}" for name, size in sizes.items() if size % POOL_HEADS
        ]
        problems += [] if 0 <= lead_masking <= 1 else [f"lead_masking is {lead_masking}, it must lie in [0, 1]"]
        raise_all(problems, "melp cannot be built with these options:")
        self.features, self.lead_masking = features, lead_masking
        self._signal = SignalSpec(rate, seconds, LEAD_ORDERS["mimic"], "minmax_record")
        self.weights = {"clip": clip_weight, "caption": caption_weight, "local": local_weight}
        self.ecg_encoder = Wav2Vec(width, depth, heads, channels, position_kernel=position_kernel, dropout=dropout)
        self.attn_pool_contrast = AttentionalPooler(width, embed_dim, queries)
        self.ln_contrast = nn.LayerNorm(embed_dim)
        self.proj_contrast = nn.Parameter(embed_dim**-0.5 * torch.randn(embed_dim, embed_dim))
        self.lm_model = build_report_tower(text_model, frozen_layers)
        self.freeze_text, self.text_cache = False, None  # it is trained, but for its first layers
        caption_width = self.lm_model.width if self.lm_model else width  # both 768 officially
        self.attn_pool_caption = AttentionalPooler(width, caption_width, caption_queries)
        self.ln_caption = nn.LayerNorm(caption_width)
        if self.lm_model is not None:
            self._add_text_heads(self.lm_model, embed_dim, decoder_layers)

    def _add_text_heads(self, tower: HubReportTower | SmallReportTower, embed_dim: int, decoder_layers: int) -> None:
        """Build the projectors of reports and sentences, the caption decoder and the scale of similarities."""
        self.proj_t = nn.Sequential(nn.Linear(tower.width, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim))
        self.sent_proj = nn.Linear(tower.width, embed_dim)
        self.text_decoder = CaptionDecoder(tower.width, tower.vocab_size, decoder_layers, POOL_HEADS)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    @property
    def signal(self) -> SignalSpec:
        """Officially 10 s at 500 Hz in MIMIC's lead order, the whole record scaled to 0..1."""
        return self._signal

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

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the vector compared with reports, the mean beat: ``(batch, lead, time)`` -> ``(batch, 256)``."""
        return self.beat_embeddings(ecg).mean(1)

    def beat_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the vectors that training compares with sentences: -> ``(batch, query, 256)``."""
        return self._pool_beats(self.encode(ecg))

    def _pool_beats(self, tokens: Tensor) -> Tensor:
        return self.ln_contrast(self.attn_pool_contrast(tokens)) @ self.proj_contrast

    def encode(self, ecg: Tensor) -> Tensor:
        """Return the encoder's tokens: ``(batch, lead, time)`` -> ``(batch, 312, 768)``."""
        return self.ecg_encoder.encode(self.ecg_encoder.embed(ecg))

    # --- pre-training ---

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses of recordings (``clip``), words (``caption``) and sentences (``local``)."""
        if self.lm_model is None:
            raise NoTextModel("melp learns from reports: set text_model to 'small', a hub id or a path")
        if batch.reports is None:
            raise UsageError("melp learns from pairs: this batch has recordings but no reports")
        different_reports, index = distinct(batch.reports)
        ids, mask = self.lm_model.token_ids(different_reports)
        device = self.lm_model.device
        output = self.lm_model.encode(hand_over(ids, device), hand_over(mask, device))
        words = ids[index], mask[index]
        index = hand_over(index, device)
        sentences, present = sentence_means(
            output.tokens, ids, mask, self.lm_model.full_stops, self.lm_model.special_ids
        )
        tokens = self.encode(mask_leads(batch.ecg, self.lead_masking) if self.training else batch.ecg)
        beats, memory = self._pool_beats(tokens), self.ln_caption(self.attn_pool_caption(tokens))
        text, scale = self.project_text(output.pooled)[index], self.logit_scale.float().exp()
        losses = {
            "clip": clip_loss(beats.mean(1), text, 1 / scale) / 2,  # the mean of both directions
            "caption": self.text_decoder.loss(output.tokens[index], *words, memory),
            "local": beat_alignment_loss(beats, self.sent_proj(sentences)[index], present[index]),
        }
        return {name: self.weights[name] * value for name, value in losses.items()}

    def after_step(self) -> None:
        """Keep the scale of the similarities between 1 and 100."""
        with torch.no_grad():
            self.logit_scale.clamp_(0, MAX_LOG_SCALE)

    # --- weights ---

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries that this configuration uses; the queries take the file's number."""
        entries = select_entries(state, text=self.has_text_model)
        query, own = entries.get(QUERY), self.attn_pool_contrast.query
        if query is not None and query.ndim == 2 and query.shape[1] == own.shape[1]:
            self.attn_pool_contrast.query = nn.Parameter(own.new_zeros(query.shape))
        return entries
