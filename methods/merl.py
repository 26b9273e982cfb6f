"""MERL: contrast of a recording with its report, and with itself under two dropout masks (Liu et al., ICML 2024).

Liu et al., "Zero-Shot ECG Classification with Multimodal Learning and Test-time Clinical Knowledge
Enhancement", ICML 2024, https://proceedings.mlr.press/v235/liu24bg.html.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import (
    LEAD_ORDERS,
    AlignedMethod,
    Batch,
    MethodCard,
    Scaling,
    SequenceMethod,
    SignalSpec,
    TrainableMethod,
    Weights,
)
from benchmark.errors import UsageError, check_choice
from benchmark.registry import METHODS
from methods.nn.attention_pool import AttentionPool
from methods.nn.batch_norm import BatchNorm
from methods.nn.contrastive import clip_loss
from methods.nn.fold import copy_for_inference
from methods.nn.official import PARTS, Parts, require_whole_model, select_entries
from methods.nn.resnet1d import DEPTHS, ResNet1D, count_steps
from methods.nn.text_cache import TextCache
from methods.nn.text_side import TextSide
from methods.nn.vit1d import WIDTHS, ViT1D

DRIVE = "https://drive.google.com/drive/folders/13wb4DppUciMn-Y_qC2JRWTbZdz3xX0w2"


@METHODS.register("merl")
class MERL(TextSide, AlignedMethod, SequenceMethod, TrainableMethod):
    """MERL with any of its encoders; the defaults are the official ResNet-18 configuration.

    `encoder` is resnet18, resnet34, vit_tiny, vit_small, vit_middle or vit_base. `width` is the number of channels of
    its stem or tokens (None: the official one, 64 for a ResNet), `patch` the samples of a ViT's token. `rate` is in Hz.
    `scaling` and `lead_order` are the form of the input (officially whole-record min-max and MIMIC's order).

    `text_model` is a hub id or path, ``"package:NAME"``, ``"small"`` or None (in TOML ``"none"``); without a text model
    there are features and ECG embeddings only. `freeze_text` None freezes a published language model and trains a small
    one. `text_dropout_in_train` uses a frozen model's dropout in training, as the release does; without it `cache_text`
    reads each report once. ``parts = "encoder"`` builds the encoder alone, for the ``*_encoder.pth`` files.
    """

    precisions = ("fp32", "bf16")
    unused: ClassVar[tuple[str, ...]] = (r"ecg_encoder\.linear\..*",)
    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="MERL",
        paper="MERL: Liu et al., ICML 2024 (PMLR v235 liu24bg)",
        licence="MIT",
        trained_on=("mimic_iv_ecg",),
        selected_on=("ptbxl:val", "cpsc2018", "csn"),
        weights={
            "resnet": Weights(DRIVE, "", "MIT", "res18_best_ckpt.pth"),
            "resnet_encoder": Weights(DRIVE, "", "MIT", "res18_best_encoder.pth"),
            "vit_encoder": Weights(DRIVE, "", "MIT", "vit_tiny_best_encoder.pth"),
        },
        note=(
            "trained_on and selected_on describe the published weights. Their epoch was selected by zero-shot scores "
            "on MERL's labelled validation splits, which for CPSC2018 and CSN are not those of this project. "
            "text_model='small' replaces MedCPT by a two-layer transformer learned from the training reports alone. "
            "The objective is MERL's, but there is no medical language model, so its zero-shot numbers are not those "
            "of the paper."
        ),
    )

    def __init__(
        self,
        encoder: str = "resnet18",
        width: int | None = None,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "minmax_record",
        lead_order: Literal["mimic", "standard"] = "mimic",
        patch: int = 50,
        embed_dim: int = 256,
        heads: int = 4,
        temperature: float = 0.07,
        dropout: float = 0.1,
        text_model: str | None = "ncbi/MedCPT-Query-Encoder",
        freeze_text: bool | None = None,
        text_dropout_in_train: bool = True,
        cache_text: bool = False,
        parts: Parts = "all",
    ) -> None:
        super().__init__()
        check_choice("merl", "encoder", encoder, [*DEPTHS, *WIDTHS])
        check_choice("merl", "lead_order", lead_order, LEAD_ORDERS)
        check_choice("merl", "parts", parts, PARTS)
        self._signal = SignalSpec(rate, seconds, LEAD_ORDERS[lead_order], scaling)
        self.temperature, self.parts = temperature, parts
        self.convolutional = encoder in DEPTHS
        if self.convolutional:
            classes = 10 if parts == "all" else 0  # the official class has an output layer that it never uses
            self.ecg_encoder: ResNet1D | ViT1D = ResNet1D(encoder, width or 64, len(self.signal.leads), classes)
        else:
            self.ecg_encoder = ViT1D(self.signal.samples, width or WIDTHS[encoder], len(self.signal.leads), patch)
        if parts == "encoder":
            return
        if self.convolutional:
            self._add_resnet_heads(embed_dim, heads)
        else:
            self._add_vit_heads(embed_dim)
        self.dropout1, self.dropout2 = nn.Dropout(dropout), nn.Dropout(dropout)
        cache = TextCache(tokens=False) if cache_text else None
        self.add_text_model(text_model, embed_dim, freeze_text, text_dropout_in_train, cache)

    def _add_resnet_heads(self, embed_dim: int, heads: int) -> None:
        self.downconv = nn.Conv1d(self.ecg_encoder.channels, embed_dim, 1)
        self.att_pool_head = AttentionPool(count_steps(self.signal.samples), embed_dim, heads)
        self.linear1 = nn.Linear(embed_dim, embed_dim, bias=False)
        self.linear2 = nn.Linear(embed_dim, embed_dim, bias=False)

    def _add_vit_heads(self, embed_dim: int) -> None:
        width = self.ecg_encoder.channels
        self.proj_e = nn.Sequential(
            nn.Linear(width, embed_dim), BatchNorm(embed_dim), nn.ReLU(), nn.Linear(embed_dim, embed_dim),
            BatchNorm(embed_dim),
        )  # fmt: skip
        self.linear1 = nn.Linear(width, embed_dim, bias=False)
        self.linear2 = nn.Linear(width, embed_dim, bias=False)

    @property
    def signal(self) -> SignalSpec:
        """Officially 10 s at 500 Hz, MIMIC's lead order, the whole record scaled to 0..1."""
        return self._signal

    # --- ECG side (section 3.2 of the paper: cross-modal and uni-modal alignment) ---

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the backbone's mean over time: ``(batch, lead, time)`` -> ``(batch, 512)`` (ViT-tiny: 192)."""
        encoded = self.ecg_encoder(ecg)
        return encoded.mean(-1) if self.convolutional else encoded

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the vector compared with text, not normalised: ``(batch, lead, time)`` -> ``(batch, embed_dim)``."""
        require_whole_model(self.parts, "embeddings")
        return self._align(self._encode(ecg))

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the input of the pooling: ``(batch, lead, time)`` -> ``(batch, token, embed_dim)``.

        A ResNet has 313 tokens for 5,000 samples; of a ViT these are its tokens, each normalised.
        """
        if isinstance(self.ecg_encoder, ViT1D):
            return self.ecg_encoder.norm(self.ecg_encoder.tokens(ecg))
        require_whole_model(self.parts, "tokens")
        return self._encode(ecg)

    def ecg_views(self, ecg: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the aligned vector and two dropout views of one forward pass, ``(batch, embed_dim)`` each."""
        require_whole_model(self.parts, "views")
        encoded = self._encode(ecg)
        mean = encoded.mean(1) if self.convolutional else encoded
        first, second = self.dropout1(self.linear1(mean)), self.dropout2(self.linear2(mean))
        return self._align(encoded), first, second

    def _encode(self, ecg: Tensor) -> Tensor:
        """Return a ResNet's tokens ``(batch, token, embed_dim)``, or a ViT's output ``(batch, width)``."""
        encoded = self.ecg_encoder(ecg)
        if not self.convolutional:
            return encoded
        # a convolution over one step is a linear map of each step
        return F.linear(encoded.transpose(1, 2), self.downconv.weight.squeeze(-1), self.downconv.bias)

    def _align(self, encoded: Tensor) -> Tensor:
        return self.att_pool_head(encoded) if self.convolutional else self.proj_e(encoded)

    def for_inference(self, precision: str) -> MERL:
        """Return a copy with folded batch norms and the ECG encoder in `precision`; it shares the text model."""
        return copy_for_inference(self, precision, self.lm_model)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries that this configuration uses, of an official file of the whole model or of the encoder."""
        return select_entries(state, self.parts, text=self.has_text_model)

    # --- pre-training ---

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of cross-modal (``cma``) and uni-modal alignment (``uma``), of equal weight."""
        if batch.reports is None:
            raise UsageError("merl learns from pairs: this batch has recordings but no reports")
        aligned, first, second = self.ecg_views(batch.ecg)
        text = self.text_embeddings(batch.reports)
        return {
            "cma": clip_loss(aligned, text, self.temperature),
            "uma": clip_loss(first, second, self.temperature),
        }
