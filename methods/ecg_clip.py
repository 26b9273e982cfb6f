"""ECG-CLIP: baseline with MERL's encoder and the plain objectives of CLIP, SigLIP and CoCa (ICML 2021 to TMLR 2022).

InfoNCE: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (CLIP), ICML 2021,
arXiv 2103.00020. SigLIP: Zhai et al., ICCV 2023, arXiv 2303.15343. CoCa: Yu et al., TMLR 2022, arXiv 2205.01917.
Encoder and text side are those of MERL, so that only the loss differs.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.api import AlignedMethod, Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.errors import UsageError, did_you_mean
from benchmark.registry import METHODS
from methods.nn.attention_pool import AttentionPool
from methods.nn.backbone import ResNetBackbone
from methods.nn.contrastive import clip_loss, siglip_loss
from methods.nn.ecg_clip.caption import CaptionHead
from methods.nn.fold import copy_for_inference
from methods.nn.resnet1d import count_steps
from methods.nn.text_cache import TextCache
from methods.nn.text_side import TextSide

OBJECTIVES = ("infonce", "siglip", "coca")
MAX_LOG_SCALE = math.log(100)  # CLIP's limit of the learned scale


@METHODS.register("ecg_clip")
class ECGCLIP(TextSide, ResNetBackbone, AlignedMethod, SequenceMethod, TrainableMethod):
    """`objective` is infonce, siglip, or coca: infonce and a captioning head that reads the recording's tokens.

    The encoder, its pooling and the text side are MERL's. MERL's second alignment is left out, and the scale of the
    similarities is learned. `text_model` is a hub id or path, ``"package:NAME"``, ``"small"`` or None (then there is
    no text, and no training). A frozen one is read without dropout, and with `cache_text` each report once.
    `caption_width`, `caption_layers` and `caption_weight` apply to coca alone.
    """

    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="ECG-CLIP",
        paper="baseline; CLIP: ICML 2021, SigLIP: ICCV 2023, CoCa: TMLR 2022; encoder of MERL: ICML 2024",
        licence="MIT",
        note=(
            "Re-implementation, no published weights. coca has contrast and captioning as published, but one text "
            "encoder for prompts and contrast and a separate decoder, in place of CoCa's decoder in two halves."
        ),
    )

    def __init__(
        self,
        objective: str = "infonce",
        encoder: str = "resnet18",
        width: int = 64,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "millivolt",
        embed_dim: int = 256,
        heads: int = 4,
        text_model: str | None = "ncbi/MedCPT-Query-Encoder",
        freeze_text: bool | None = None,
        cache_text: bool = False,
        caption_width: int = 256,
        caption_layers: int = 2,
        caption_weight: float = 2.0,
    ) -> None:
        if objective not in OBJECTIVES:
            raise UsageError(f"ecg_clip: objective = {objective!r} is unknown{did_you_mean(objective, OBJECTIVES)}")
        super().__init__(SignalSpec(rate, seconds, scaling=scaling), encoder, width)
        self.objective, self.caption_weight = objective, caption_weight
        self.downconv = nn.Linear(self.ecg_encoder.channels, embed_dim)
        self.att_pool_head = AttentionPool(count_steps(self.signal.samples), embed_dim, heads)
        cache = TextCache(tokens=False) if cache_text else None
        self.add_text_model(text_model, embed_dim, freeze_text, False, cache, words=objective == "coca")
        self.log_scale = nn.Parameter(torch.tensor(math.log(10 if objective == "siglip" else 1 / 0.07)))
        self.bias = nn.Parameter(torch.tensor(-10.0)) if objective == "siglip" else None
        self.captions: CaptionHead | None = None
        if objective == "coca" and self.lm_model is not None:
            sizes = self.lm_model.vocab_size, self.lm_model.max_tokens, embed_dim
            self.captions = CaptionHead(*sizes, caption_width, caption_layers, heads)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the pooled vector compared with text: ``(batch, lead, time)`` -> ``(batch, embed_dim)``."""
        return self.att_pool_head(self._project_tokens(ecg))

    def for_inference(self, precision: str) -> ECGCLIP:
        """Return a copy with folded batch norms and the ECG encoder in `precision`; it shares the text model."""
        return copy_for_inference(self, precision, self.lm_model)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the ``contrast`` of recordings and reports, and for coca the weighted ``caption`` loss."""
        if batch.reports is None:
            raise UsageError("ecg_clip learns from pairs: this batch has recordings but no reports")
        tokens = self._project_tokens(batch.ecg)
        losses = {"contrast": self._contrast(self.att_pool_head(tokens), self.text_embeddings(batch.reports))}
        if self.captions is not None:
            assert self.lm_model is not None
            losses["caption"] = self.caption_weight * self.captions(*self.lm_model.token_ids(batch.reports), tokens)
        return losses

    def _contrast(self, ecg: Tensor, text: Tensor) -> Tensor:
        """Return the contrastive loss of embeddings ``(batch, embed_dim)`` with the learned scale."""
        scale = self.log_scale.clamp(max=MAX_LOG_SCALE).exp()
        if self.bias is not None:
            return siglip_loss(ecg, text, scale, self.bias)
        return clip_loss(ecg, text, 1 / scale) / 2  # CLIP's mean of both directions

    def _project_tokens(self, ecg: Tensor) -> Tensor:
        """Project the encoder's tokens: ``(batch, lead, time)`` -> ``(batch, step, embed_dim)``."""
        return self.downconv(self.ecg_tokens(ecg))
