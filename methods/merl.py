"""MERL: align a recording with its report by contrast, and with itself under two dropout masks.

Liu et al., "Zero-Shot ECG Classification with Multimodal Learning and Test-time Clinical Knowledge
Enhancement", ICML 2024, https://proceedings.mlr.press/v235/liu24bg.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import LEADS, AlignedMethod, Batch, MethodCard, Scaling, SignalSpec, TrainableMethod
from benchmark.errors import MissingError, UsageError, did_you_mean
from benchmark.registry import METHODS
from methods.nn.attention_pool import AttentionPool
from methods.nn.batch_norm import BatchNorm
from methods.nn.contrastive import clip_loss
from methods.nn.fold import inference_copy
from methods.nn.resnet1d import DEPTHS, ResNet1D, steps
from methods.nn.text import HubTextEncoder, SmallTextEncoder, TextEncoder, TextModelMissing, TokeniserMissing
from methods.nn.vit1d import WIDTHS, ViT1D

LEAD_ORDERS = {
    "standard": LEADS,
    "mimic": ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"),
}
BERT_BASE = 768  # channels of MedCPT's pooler, for which the projector is built without a text model


@METHODS.register("merl")
class MERL(nn.Module, AlignedMethod, TrainableMethod):
    """MERL with any of its encoders; the defaults are the official ResNet-18 configuration.

    `encoder` is resnet18, resnet34, vit_tiny, vit_small, vit_middle or vit_base, `width` the channels
    of its stem or tokens (None: the official ones, 64 for a ResNet) and `patch` the samples of a ViT's
    token. `rate` is in Hz; `scaling` and `lead_order` say how signals are wanted (officially MIMIC's
    order, whole-record min-max). `text_model` is a hub id or path, ``"small"`` or None: without a text
    model there are features and ECG embeddings only. `freeze_text` None means frozen for a published
    language model, trained for a small one; `text_dropout_in_train` keeps a frozen one's dropout
    active while training, as the release does.
    """

    precisions = ("fp32", "bf16")
    card: ClassVar[MethodCard] = MethodCard(
        title="MERL",
        paper="MERL: Liu et al., ICML 2024 (PMLR v235 liu24bg)",
        licence="MIT",
        trained_on=("mimic_iv_ecg",),
        note=(
            "trained_on speaks of the published weights, which were also selected by zero-shot scores on the "
            "labelled validation splits of PTB-XL, CPSC2018 and CSN. text_model='small' replaces MedCPT by a "
            "two-layer transformer learnt from the training reports alone: the objective is MERL's, but no medical "
            "language model stands behind it, so its zero-shot numbers are not those of the paper."
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
    ) -> None:
        super().__init__()
        _check_choice("encoder", encoder, [*DEPTHS, *WIDTHS])
        _check_choice("lead_order", lead_order, LEAD_ORDERS)
        self._signal = SignalSpec(rate, seconds, LEAD_ORDERS[lead_order], scaling)
        self.temperature = temperature
        self.text_dropout_in_train = text_dropout_in_train
        self.convolutional = encoder in DEPTHS
        if self.convolutional:
            self._build_resnet(encoder, width or 64, embed_dim, heads)
        else:
            self._build_vit(width or WIDTHS[encoder], patch, embed_dim)
        self.dropout1, self.dropout2 = nn.Dropout(dropout), nn.Dropout(dropout)
        self.lm_model = _text_encoder(text_model)
        self.freeze_text = text_model != "small" if freeze_text is None else freeze_text
        text_width = self.lm_model.width if self.lm_model else BERT_BASE
        self.proj_t = nn.Sequential(nn.Linear(text_width, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim))
        if self.lm_model and self.freeze_text:
            self.lm_model.requires_grad_(False)

    def _build_resnet(self, encoder: str, width: int, embed_dim: int, heads: int) -> None:
        self.ecg_encoder: ResNet1D | ViT1D = ResNet1D(encoder, width, len(self.signal.leads))
        self.downconv = nn.Conv1d(self.ecg_encoder.channels, embed_dim, 1)
        self.att_pool_head = AttentionPool(steps(self.signal.samples), embed_dim, heads)
        self.linear1 = nn.Linear(embed_dim, embed_dim, bias=False)
        self.linear2 = nn.Linear(embed_dim, embed_dim, bias=False)

    def _build_vit(self, width: int, patch: int, embed_dim: int) -> None:
        self.ecg_encoder = ViT1D(self.signal.samples, width, len(self.signal.leads), patch)
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
        """The backbone's output, mean over time: ``(batch, lead, time)`` -> ``(batch, 512)`` (ViT-tiny: 192)."""
        encoded = self.ecg_encoder(ecg)
        return encoded.mean(-1) if self.convolutional else encoded

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """The vector that meets the text, not normalised: ``(batch, lead, time)`` -> ``(batch, embed_dim)``."""
        return self._align(self._encode(ecg))

    def ecg_views(self, ecg: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One forward pass: the aligned vector and two dropout views, ``(batch, embed_dim)`` each."""
        encoded = self._encode(ecg)
        mean = encoded.mean(1) if self.convolutional else encoded
        first, second = self.dropout1(self.linear1(mean)), self.dropout2(self.linear2(mean))
        return self._align(encoded), first, second

    def _encode(self, ecg: Tensor) -> Tensor:
        """ResNet: tokens ``(batch, token, embed_dim)``; ViT: its output ``(batch, width)``."""
        encoded = self.ecg_encoder(ecg)
        if not self.convolutional:
            return encoded
        # a convolution over one step is a linear map of each step
        return F.linear(encoded.transpose(1, 2), self.downconv.weight.squeeze(-1), self.downconv.bias)

    def _align(self, encoded: Tensor) -> Tensor:
        return self.att_pool_head(encoded) if self.convolutional else self.proj_e(encoded)

    def for_inference(self, precision: str) -> MERL:
        """A copy with folded batch norms, its ECG encoder in `precision`; the text model is shared, not copied."""
        return inference_copy(self, precision, self.lm_model)

    # --- text side ---

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Reports or prompts -> ``(len(texts), embed_dim)``, not normalised."""
        if self.lm_model is None:
            raise UsageError(
                "this MERL has no text model (text_model = None): it gives features and ECG embeddings only; set "
                "text_model to 'small', a hub id or a path for anything that reads text"
            )
        try:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_text):
                pooled = self.lm_model(texts).pooled
        except TokeniserMissing as error:
            raise UsageError(f"merl: {error}") from error
        return self.project_text(pooled)

    def project_text(self, pooled: Tensor) -> Tensor:
        """The text model's pooled output ``(batch, text width)`` -> ``(batch, embed_dim)``."""
        return self.proj_t(pooled)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Official files hold the language model; a MERL built without one uses the rest of them."""
        if self.lm_model is not None:
            return state
        return {name: value for name, value in state.items() if not name.startswith("lm_model.")}

    # --- pre-training ---

    def start_pretraining(self, reports: Sequence[str]) -> None:
        """Learn the small text encoder's tokeniser, unless weights brought one."""
        if self.lm_model is None:
            raise UsageError("merl cannot be pre-trained with text_model = None: set it to 'small', a hub id or a path")
        if not getattr(self.lm_model, "fitted", True):
            self.lm_model.fit(reports)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-modal alignment (``cma``) and uni-modal alignment (``uma``), of equal weight."""
        if batch.reports is None:
            raise UsageError("merl learns from pairs: this batch has recordings but no reports")
        aligned, first, second = self.ecg_views(batch.ecg)
        text = self.text_embeddings(batch.reports)
        return {
            "cma": clip_loss(aligned, text, self.temperature),
            "uma": clip_loss(first, second, self.temperature),
        }

    def train(self, mode: bool = True) -> MERL:
        """As every module; a frozen text model keeps its dropout only with `text_dropout_in_train`."""
        super().train(mode)
        if self.lm_model and self.freeze_text:
            self.lm_model.train(mode and self.text_dropout_in_train)
        return self


def _text_encoder(text_model: str | None) -> TextEncoder | None:
    if text_model is None:
        return None
    if text_model == "small":
        return SmallTextEncoder()
    try:
        return HubTextEncoder(text_model)
    except TextModelMissing as error:
        raise MissingError(
            f"merl: {error}; text_model = 'small' (trained from the reports) or None (features only) need no download"
        ) from error


def _check_choice(field: str, value: str, known: Any) -> None:
    if value not in known:
        raise UsageError(f"merl: {field} = {value!r} is unknown{did_you_mean(value, known)}")
