"""CG-DMER: mask and rebuild both modalities, tell their shared part from their own, align the shared part alone.

"CG-DMER: Hybrid Contrastive-Generative Framework for Disentangled Multimodal ECG Representation Learning",
ICASSP 2026, https://arxiv.org/abs/2602.21154. A re-implementation from the paper's account of its components:
no code is public, and what the paper leaves open is an option here (``docs/methods-cgdmer.md``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.api import (
    AlignedMethod,
    Batch,
    MethodCard,
    Scaling,
    SequenceMethod,
    SignalSpec,
    TrainableMethod,
)
from benchmark.errors import MissingError, UsageError, did_you_mean, raise_all
from benchmark.registry import METHODS
from methods.nn.batch_norm import BatchNorm
from methods.nn.cgdmer.disentangle import cross_correlation, squared_cosines
from methods.nn.cgdmer.lead_patches import JointDecoder, LeadPatchEncoder, patchify, pick, standardised, visible_first
from methods.nn.cgdmer.lead_time_mask import LIMB_RULES, MODES, draw_visible, shares
from methods.nn.cgdmer.transformer import Block, masked_mean, xavier
from methods.nn.contrastive import clip_loss, equal_texts, siglip_loss
from methods.nn.gather import global_mean
from methods.nn.masked_words import MaskedWordHead, mask_words
from methods.nn.text import HubTextEncoder, SmallTextEncoder, TextEncoder, TextModelMissing, TokeniserMissing

CHOICES = {
    "mask_mode": ("none", *MODES),
    "limb": LIMB_RULES,
    "disentangle": ("full", "unconstrained", "none"),
    "orthogonality": ("cosine", "correlation"),
    "alignment": ("siglip", "infonce"),
    "duplicates": ("positive", "negative", "left_out"),
    "views": ("two_pass", "one_pass"),
    "embed_norm": ("batch", "none"),
    "features": ("trunk", "shared", "specific", "concat"),
}


class Parts(NamedTuple):
    """Tokens of one modality after both encoders, and their unit-free summaries."""

    specific: Tensor | None  # tokens (batch, token, width of the modality)
    shared: Tensor  # tokens (batch, token, width)
    own: Tensor | None  # (batch, embed_dim)
    common: Tensor  # (batch, embed_dim), what is aligned


@METHODS.register("cgdmer")
class CGDMER(nn.Module, AlignedMethod, SequenceMethod, TrainableMethod):
    """CG-DMER; the defaults are base size at 500 Hz.

    Sizes: `rate` in Hz, `patch_seconds` of one lead in a token, `width`, `depth`, `heads` of the ECG encoder,
    `decoder_width`, `decoder_depth`, `decoder_heads` of the decoder, `embed_dim` of the aligned space; `embed_norm`
    ``batch`` ends each modality's way into it in a batch norm, as MERL's ViT does: what all recordings or all reports
    have in common leaves the embeddings, and a constant no longer satisfies the sigmoid loss.

    Masking: `lead_ratio` of the leads wholly, `time_ratio` of the instants of the others; `mask_mode` and `limb` are
    explained in `methods.nn.cgdmer.lead_time_mask` (``none`` rebuilds nothing); `word_ratio` of the words (0: none).

    Disentangling: ``full``, ``unconstrained`` (no orthogonality) or ``none`` (one encoder, all of it aligned);
    `orthogonality` is the squared cosine of each recording's two parts or the cross-correlation over the batch.
    `alignment` judges each pair (``siglip``, whose scale and bias start at `initial_scale` and `initial_bias` and are
    learnt) or ranks them (``infonce`` at `temperature`); recordings whose reports are `duplicates` are positives of
    each other, negatives, or left out. ``two_pass`` aligns what is unmasked, ``one_pass`` the masked view, which is
    cheaper. The `*_weight`s weigh the losses, `specific_weight` that the modalities' own parts differ as well.

    `features` says what a probe sees: the trunk's mean token, the mean of the shared or the specific encoder, or both.
    `text_model` is a hub id or path, ``"small"`` or None (features and ECG embeddings only); of a published model the
    embeddings and the lower `text_frozen_layers` stay as they are.
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="CG-DMER (re-implementation)",
        paper="CG-DMER: ICASSP 2026, arXiv 2602.21154",
        licence="MIT (this code); no official code or weights are public",
        note=(
            "A re-implementation: the paper's components as its abstract and introduction describe them, with sizes, "
            "ratios, weights and the form of disentangling chosen here. Its numbers are not the authors'. With "
            "text_model='small' no medical language model stands behind the text side."
        ),
    )

    def __init__(
        self,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "zscore_record",
        patch_seconds: float = 0.2,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        decoder_width: int = 256,
        decoder_depth: int = 4,
        decoder_heads: int = 4,
        embed_dim: int = 256,
        embed_norm: str = "batch",
        mask_mode: str = "st",
        lead_ratio: float = 0.25,
        time_ratio: float = 2 / 3,
        limb: str = "free",
        word_ratio: float = 0.15,
        disentangle: str = "full",
        orthogonality: str = "cosine",
        alignment: str = "siglip",
        temperature: float = 0.07,
        initial_scale: float = 10.0,
        initial_bias: float = -10.0,
        duplicates: str = "positive",
        views: str = "two_pass",
        ecg_weight: float = 1.0,
        text_weight: float = 1.0,
        align_weight: float = 1.0,
        orth_weight: float = 0.1,
        specific_weight: float = 0.0,
        features: str = "trunk",
        text_model: str | None = "ncbi/MedCPT-Query-Encoder",
        text_frozen_layers: int = 6,
    ) -> None:
        super().__init__()
        given = {name: value for name, value in locals().items() if name in CHOICES}
        _check(given, lead_ratio, time_ratio, word_ratio)
        self._signal = SignalSpec(rate, seconds, scaling=scaling)
        self.options = given
        self.hidden = None if mask_mode == "none" else shares(mask_mode, lead_ratio, time_ratio)
        self.word_ratio, self.temperature = word_ratio, temperature
        self.weights = {"ecg": ecg_weight, "text": text_weight, "align": align_weight, "orth": orth_weight}
        self.specific_weight = specific_weight
        leads, patch = len(self.signal.leads), round(patch_seconds * rate)
        self.patches = self.signal.samples // patch
        split = disentangle != "none"

        self.ecg_encoder = LeadPatchEncoder(leads, self.patches, patch, width, depth, heads)
        self.shared = Block(width, heads)  # the one encoder that both modalities pass
        self.shared_head = _projection(width, embed_dim)
        self.ecg_adapter = nn.Linear(width, width)
        self.ecg_norm = _embed_norm(embed_norm, embed_dim)
        if split:
            self.ecg_specific: nn.Module = Specific(width, heads)
            self.ecg_specific_head = _projection(width, embed_dim)
        if self.hidden:
            sizes = (decoder_width, decoder_depth, decoder_heads)
            self.ecg_decoder = JointDecoder((1 + split) * width, leads, self.patches, patch, *sizes)
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale)))
        self.bias = nn.Parameter(torch.tensor(float(initial_bias)))
        for part in (self.shared, self.shared_head, self.ecg_adapter):
            part.apply(xavier)
        self.text_encoder = _text_encoder(text_model, text_frozen_layers)
        if self.text_encoder is not None:
            self._build_text_side(self.text_encoder, width, embed_dim, split)

    def _build_text_side(self, encoder: TextEncoder, width: int, embed_dim: int, split: bool) -> None:
        own = encoder.width
        self.text_adapter = nn.Linear(own, width).apply(xavier)
        self.text_norm = _embed_norm(self.options["embed_norm"], embed_dim)
        if split:
            self.text_specific: nn.Module = Specific(own, max(1, own // 64))
            self.text_specific_head = _projection(own, embed_dim)
        if self.word_ratio:
            self.text_decoder = nn.Linear(width + own * split, own).apply(xavier)
            self.text_words = MaskedWordHead(own, encoder.vocab_size)

    @property
    def signal(self) -> SignalSpec:
        """Standard lead order; one z-score over the whole recording unless configured otherwise."""
        return self._signal

    # --- encoders: a trunk, then what is the modality's own and what both share ---

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """``(batch, lead, time)`` -> ``(batch, width)``, twice that for ``concat``."""
        tokens, kind = self.ecg_encoder(ecg), self.options["features"]
        if kind == "trunk":
            return tokens.mean(1)
        shared = self.shared(self.ecg_adapter(tokens)).mean(1)
        if kind == "shared":
            return shared
        specific = self.ecg_specific(tokens).mean(1)
        return specific if kind == "specific" else torch.cat([shared, specific], dim=-1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """A token per stretch of time, the mean over leads: ``(batch, lead, time)`` -> ``(batch, patch, width)``."""
        return self.ecg_encoder(ecg).unflatten(1, (-1, self.patches)).mean(1)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """The shared part: ``(batch, lead, time)`` -> ``(batch, embed_dim)``, not normalised."""
        return self._common(self.ecg_adapter(self.ecg_encoder(ecg)), self.ecg_norm)[1]

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """The shared part of reports or prompts -> ``(len(texts), embed_dim)``, not normalised."""
        ids, mask = self._tokenised(texts)
        tokens = self._language().encode(ids, mask).tokens
        return self._common(self.text_adapter(tokens), self.text_norm, mask)[1]

    def _common(self, adapted: Tensor, norm: nn.Module, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens of the shared encoder and their projected mean."""
        tokens = self.shared(adapted, mask)
        return tokens, norm(self.shared_head(masked_mean(tokens, mask)))

    def ecg_parts(self, tokens: Tensor) -> Parts:
        """Trunk tokens -> both parts."""
        shared, common = self._common(self.ecg_adapter(tokens), self.ecg_norm)
        if self.options["disentangle"] == "none":
            return Parts(None, shared, None, common)
        specific = self.ecg_specific(tokens)
        return Parts(specific, shared, self.ecg_specific_head(specific.mean(1)), common)

    def text_parts(self, ids: Tensor, mask: Tensor) -> Parts:
        """Ids and mask ``(batch, token)`` -> both parts."""
        tokens = self._language().encode(ids, mask).tokens
        shared, common = self._common(self.text_adapter(tokens), self.text_norm, mask)
        if self.options["disentangle"] == "none":
            return Parts(None, shared, None, common)
        specific = self.text_specific(tokens, mask)
        return Parts(specific, shared, self.text_specific_head(masked_mean(specific, mask)), common)

    # --- pre-training ---

    def start_pretraining(self, reports: Sequence[str]) -> None:
        """Learn the small text encoder's tokeniser, unless weights brought one."""
        encoder = self._language()
        if not getattr(encoder, "fitted", True):
            encoder.fit(reports)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted losses: rebuilding (``ecg``, ``text``), alignment (``align``), disentangling (``orth``)."""
        if batch.reports is None:
            raise UsageError("cgdmer learns from pairs: this batch has recordings but no reports")
        ids, mask = self._tokenised(batch.reports)
        losses, ecg, text = {}, None, None
        if self.hidden:
            losses["ecg"], ecg = self.rebuild_ecg(batch.ecg)
        if self.word_ratio:
            losses["text"], text = self.rebuild_text(ids, mask)
        if ecg is None or self.options["views"] == "two_pass":
            ecg = self.ecg_parts(self.ecg_encoder(batch.ecg))
        if text is None or self.options["views"] == "two_pass":
            text = self.text_parts(ids, mask)
        losses["align"] = self.align(ecg.common, text.common, batch.reports)
        if self.options["disentangle"] == "full":
            losses["orth"] = self.keep_apart(ecg, text)
        return {name: self.weights[name] * value for name, value in losses.items()}

    def rebuild_ecg(self, ecg: Tensor) -> tuple[Tensor, Parts]:
        """Hide patches and rebuild them from both parts of the others: the error over hidden, standardised patches."""
        assert self.hidden is not None
        order, shown = visible_first(draw_visible(len(ecg), self.patches, self.hidden, self.options["limb"]))
        order = order.to(ecg.device)
        parts = self.ecg_parts(self.ecg_encoder(ecg, order[:, :shown]))
        rebuilt = self.ecg_decoder(_both(parts), order)
        target = standardised(patchify(ecg, self.ecg_encoder.patch).flatten(1, 2))
        error = (pick(rebuilt, order[:, shown:]).float() - pick(target, order[:, shown:])).square().mean(-1)
        return global_mean(error.flatten()), parts

    def rebuild_text(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Parts]:
        """Hide words and predict them from both parts: cross-entropy over the hidden words."""
        encoder = self._language()
        if encoder.mask_id is None:
            raise UsageError("cgdmer: this text model has no mask token; set word_ratio = 0 or another text_model")
        hidden, labels = mask_words(ids, encoder.special_ids, encoder.mask_id, encoder.vocab_size, self.word_ratio)
        parts = self.text_parts(hidden, mask)
        return global_mean(self.text_words.losses(self.text_decoder(_both(parts)), labels)), parts

    def align(self, ecg: Tensor, text: Tensor, reports: Sequence[str]) -> Tensor:
        """Contrast of the shared parts, ``(batch, embed_dim)`` each, over the global batch."""
        same = equal_texts(reports, ecg.device)
        own = torch.eye(len(same), dtype=torch.bool, device=same.device)
        rule = self.options["duplicates"]
        positive = same if rule == "positive" else own
        if self.options["alignment"] == "infonce":
            return clip_loss(ecg, text, self.temperature, positive)
        judged = own | ~same if rule == "left_out" else None
        return siglip_loss(ecg, text, self.log_scale.exp(), self.bias, positive, judged)

    def keep_apart(self, ecg: Parts, text: Parts) -> Tensor:
        """Orthogonality of each modality's own and shared part, and on request of the two own parts."""
        assert ecg.own is not None and text.own is not None
        apart = cross_correlation if self.options["orthogonality"] == "correlation" else _mean_squared_cosine
        total = apart(ecg.own, ecg.common) + apart(text.own, text.common)
        return total + self.specific_weight * apart(ecg.own, text.own) if self.specific_weight else total

    # --- text model ---

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Without a text model, the rest of the checkpoint."""
        if self.text_encoder is not None:
            return state
        return {name: value for name, value in state.items() if not name.startswith("text_")}

    def _tokenised(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        try:
            return self._language().tokenise(texts)
        except TokeniserMissing as error:
            raise UsageError(f"cgdmer: {error}") from error

    def _language(self) -> TextEncoder:
        if self.text_encoder is None:
            raise UsageError(
                "this CG-DMER has no text model (text_model = None): it gives features and ECG embeddings only; set "
                "text_model to 'small', a hub id or a path for anything that reads text"
            )
        return self.text_encoder


class Specific(nn.Module):
    """The encoder of what is a modality's own: one transformer block and a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.block, self.norm = Block(width, heads), nn.LayerNorm(width)
        self.apply(xavier)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(batch, token, width)`` -> the same."""
        return self.norm(self.block(tokens, mask))


def _projection(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs)).apply(xavier)


def _embed_norm(kind: str, width: int) -> nn.Module:
    return BatchNorm(width, affine=False) if kind == "batch" else nn.Identity()


def _both(parts: Parts) -> Tensor:
    """What the decoders read: the specific encoder must carry what the shared one cannot."""
    return parts.shared if parts.specific is None else torch.cat([parts.specific, parts.shared], dim=-1)


def _mean_squared_cosine(x: Tensor, y: Tensor) -> Tensor:
    return squared_cosines(x, y).mean()


def _text_encoder(text_model: str | None, frozen_layers: int) -> TextEncoder | None:
    if text_model is None:
        return None
    if text_model == "small":
        return SmallTextEncoder(mask_token=True)
    try:
        encoder = HubTextEncoder(text_model, max_tokens=128)
    except TextModelMissing as error:
        raise MissingError(
            f"cgdmer: {error}; text_model = 'small' (trained from the reports) or None (features only) need no download"
        ) from error
    for name, weight in encoder.named_parameters():
        if name.startswith(("embeddings.", *(f"encoder.layer.{i}." for i in range(frozen_layers)))):
            weight.requires_grad_(frozen_layers == 0)
        if name.startswith("pooler."):  # means of tokens are used instead
            weight.requires_grad_(False)
    return encoder


def _check(given: dict[str, str], lead_ratio: float, time_ratio: float, word_ratio: float) -> None:
    problems = [
        f"{name} = {value!r} is unknown{did_you_mean(value, CHOICES[name])}"
        for name, value in given.items()
        if value not in CHOICES[name]
    ]
    ratios = {"lead_ratio": lead_ratio, "time_ratio": time_ratio, "word_ratio": word_ratio}
    problems += [f"{name} is {value}, it must lie in [0, 1)" for name, value in ratios.items() if not 0 <= value < 1]
    if given["mask_mode"] != "none" and not lead_ratio and not time_ratio:
        problems.append("lead_ratio and time_ratio are both 0: nothing would be hidden; mask_mode = 'none' says so")
    if given["disentangle"] == "none" and given["features"] in ("specific", "concat"):
        problems.append(f"features = {given['features']!r} needs a specific encoder, and disentangle is 'none'")
    raise_all(problems, "cgdmer cannot be built so:")
