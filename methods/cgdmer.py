"""CG-DMER: masked reconstruction of ECG and report, with alignment of their shared part alone (ICASSP 2026).

"CG-DMER: Hybrid Contrastive-Generative Framework for Disentangled Multimodal ECG Representation Learning",
ICASSP 2026, https://arxiv.org/abs/2602.21154. Each modality is split into a shared and a specific part. No code is
public, so this is a re-implementation from the paper's description of its components; whatever the paper leaves open
is an option here (``docs/methods-cgdmer.md``).
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
    report_key,
)
from benchmark.errors import LeftOut, UsageError, did_you_mean, raise_all
from benchmark.registry import METHODS
from methods.nn.batch_norm import BatchNorm
from methods.nn.cgdmer.disentangle import cross_correlation, mean_squared_cosine
from methods.nn.cgdmer.lead_patches import (
    JointDecoder,
    LeadPatchEncoder,
    order_visible_first,
    patchify,
    standardise_patches,
)
from methods.nn.cgdmer.lead_time_mask import LIMB_RULES, MODES, draw_visible, hidden_shares
from methods.nn.cgdmer.transformer import Block, masked_mean
from methods.nn.contrastive import clip_loss, equal_texts, siglip_loss
from methods.nn.gather import global_mean
from methods.nn.length_groups import apply_by_length
from methods.nn.masked_words import MaskedWordHead, mask_words
from methods.nn.text import HubTextEncoder, TextEncoder, TokeniserMissing, build_text_encoder
from methods.nn.token_selection import select_tokens
from methods.nn.transfer import hand_over
from methods.nn.xavier import init_xavier

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
    """Shared and specific part of one modality: the tokens of each, and their projected means."""

    specific_tokens: Tensor | None  # (batch, token, width of the modality)
    shared_tokens: Tensor  # (batch, token, width)
    specific: Tensor | None  # (batch, embed_dim)
    shared: Tensor  # (batch, embed_dim), aligned with the other modality


@METHODS.register("cgdmer")
class CGDMER(nn.Module, AlignedMethod, SequenceMethod, TrainableMethod):
    """CG-DMER; the defaults are base size at 500 Hz.

    Sizes: `rate` is in Hz, `patch_seconds` the length of a token (of one lead). `width`, `depth` and `heads` are those
    of the ECG encoder, `decoder_width`, `decoder_depth` and `decoder_heads` those of the decoder. `embed_dim` is the
    size of the aligned space. `embed_norm` ``batch`` ends each modality's projection into it in a batch norm, as MERL's
    ViT does: this removes what all recordings or all reports have in common, and a constant no longer satisfies the
    sigmoid loss.

    Masking hides `lead_ratio` of the leads wholly, and `time_ratio` of the instants of the others; `mask_mode` and
    `limb` are explained in `methods.nn.cgdmer.lead_time_mask` (``none`` reconstructs nothing). It hides `word_ratio` of
    the words (0: none).

    `disentangle` is ``full``, ``unconstrained`` (no orthogonality) or ``none`` (one encoder, all of it aligned).
    `orthogonality` is the squared cosine of each recording's two parts, or their cross-correlation over the batch.
    `alignment` judges each pair (``siglip``, with a learned scale and bias that start at `initial_scale` and
    `initial_bias`) or ranks them (``infonce`` at `temperature`). `duplicates` are recordings with equal reports:
    positives of each other, negatives, or left out. `views` ``two_pass`` aligns the unmasked inputs, ``one_pass`` the
    masked ones, which is cheaper. The `*_weight`s weigh the losses; `specific_weight` is that of the orthogonality
    between the specific parts of both modalities.

    `features` selects the input of a probe: the trunk's mean token, the mean of the shared or of the specific encoder,
    or both. `text_model` is a hub id or path, ``"package:NAME"``, ``"small"`` or None (in TOML ``"none"``: features and
    ECG embeddings only). Of a published model the embeddings and the lower `text_frozen_layers` are not trained.
    """

    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="CG-DMER (re-implementation)",
        paper="CG-DMER: ICASSP 2026, arXiv 2602.21154",
        licence="MIT (this code); no official code or weights are public",
        note=(
            "A re-implementation of the components that the paper's abstract and introduction describe; sizes, ratios, "
            "weights and the form of disentangling are this project's choice. Its numbers are not the authors'. With "
            "text_model='small' the text side has no medical language model."
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
        choices = {name: value for name, value in locals().items() if name in CHOICES}
        _check_options(choices, lead_ratio, time_ratio, word_ratio)
        self._signal = SignalSpec(rate, seconds, scaling=scaling)
        self.options = choices
        self.hidden_shares = None if mask_mode == "none" else hidden_shares(mask_mode, lead_ratio, time_ratio)
        self.word_ratio, self.temperature = word_ratio, temperature
        self.weights = {"ecg": ecg_weight, "text": text_weight, "align": align_weight, "orth": orth_weight}
        self.specific_weight = specific_weight
        leads, patch = len(self.signal.leads), round(patch_seconds * rate)
        self.patches = self.signal.samples // patch
        split = disentangle != "none"

        self.ecg_encoder = LeadPatchEncoder(leads, self.patches, patch, width, depth, heads)
        self.shared = Block(width, heads)  # one encoder for both modalities
        self.shared_head = _build_projection(width, embed_dim)
        self.ecg_adapter = nn.Linear(width, width)
        self.ecg_norm = _build_embed_norm(embed_norm, embed_dim)
        if split:
            self.ecg_specific: nn.Module = SpecificEncoder(width, heads)
            self.ecg_specific_head = _build_projection(width, embed_dim)
        if self.hidden_shares:
            sizes = (decoder_width, decoder_depth, decoder_heads)
            self.ecg_decoder = JointDecoder((1 + split) * width, leads, self.patches, patch, *sizes)
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale)))
        self.bias = nn.Parameter(torch.tensor(float(initial_bias)))
        for part in (self.shared, self.shared_head, self.ecg_adapter):
            part.apply(init_xavier)
        self.text_encoder = _build_text_encoder(text_model, text_frozen_layers)
        if self.text_encoder is not None:
            self._build_text_side(self.text_encoder, width, embed_dim, split)

    def _build_text_side(self, encoder: TextEncoder, width: int, embed_dim: int, split: bool) -> None:
        """Build the text encoder's adapter, heads and decoder."""
        text_width = encoder.width
        self.text_adapter = nn.Linear(text_width, width).apply(init_xavier)
        self.text_norm = _build_embed_norm(self.options["embed_norm"], embed_dim)
        if split:
            self.text_specific: nn.Module = SpecificEncoder(text_width, max(1, text_width // 64))
            self.text_specific_head = _build_projection(text_width, embed_dim)
        if self.word_ratio:
            self.text_decoder = nn.Linear(width + text_width * split, text_width).apply(init_xavier)
            self.text_words = MaskedWordHead(text_width, encoder.vocab_size)

    @property
    def signal(self) -> SignalSpec:
        """Standard lead order; one z-score over the whole recording unless configured otherwise."""
        return self._signal

    # --- encoders: a trunk, then one encoder per modality and one that both share ---

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the features: ``(batch, lead, time)`` -> ``(batch, width)``, twice the width for ``concat``."""
        tokens, kind = self.ecg_encoder(ecg), self.options["features"]
        if kind == "trunk":
            return tokens.mean(1)
        shared = self.shared(self.ecg_adapter(tokens)).mean(1)
        if kind == "shared":
            return shared
        specific = self.ecg_specific(tokens).mean(1)
        return specific if kind == "specific" else torch.cat([shared, specific], dim=-1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the mean over leads of each patch of time: ``(batch, lead, time)`` -> ``(batch, patch, width)``."""
        return self.ecg_encoder(ecg).unflatten(1, (-1, self.patches)).mean(1)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the shared part, not normalised: ``(batch, lead, time)`` -> ``(batch, embed_dim)``."""
        return self.ecg_norm(self.shared_head(self.shared(self.ecg_adapter(self.ecg_encoder(ecg))).mean(1)))

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Return the shared part of reports or prompts, ``(len(texts), embed_dim)``, not normalised."""
        ids, mask = self._token_ids(texts)
        return self.split_text(ids, mask).shared

    def split_ecg(self, tokens: Tensor) -> Parts:
        """Split tokens of the ECG trunk ``(batch, token, width)`` into both parts."""
        shared_tokens = self.shared(self.ecg_adapter(tokens))
        shared = self.ecg_norm(self.shared_head(shared_tokens.mean(1)))
        if self.options["disentangle"] == "none":
            return Parts(None, shared_tokens, None, shared)
        specific_tokens = self.ecg_specific(tokens)
        return Parts(specific_tokens, shared_tokens, self.ecg_specific_head(specific_tokens.mean(1)), shared)

    def split_text(self, ids: Tensor, mask: Tensor) -> Parts:
        """Split a text, ids and mask ``(batch, token)`` on any device, into both parts."""
        encoder = self._require_text_encoder()
        ids, mask = hand_over(ids, encoder.device), hand_over(mask, encoder.device)
        split = self.options["disentangle"] != "none"
        shared_tokens, shared_mean, *specific = apply_by_length(
            self._split_text_group,
            mask,
            ids,
            by_token=(True, False, True, False)[: 2 + 2 * split],
            limit=encoder.max_tokens,
        )
        shared = self.text_norm(self.shared_head(shared_mean))
        if not split:
            return Parts(None, shared_tokens, None, shared)
        specific_tokens, specific_mean = specific
        return Parts(specific_tokens, shared_tokens, self.text_specific_head(specific_mean), shared)

    def _split_text_group(self, mask: Tensor, ids: Tensor) -> list[Tensor]:
        """Return tokens and mean token of the shared encoder, and where there is one, of the specific encoder."""
        tokens = self._require_text_encoder().encode_padded(ids, mask).tokens
        outputs = [self.shared(self.text_adapter(tokens), mask)]
        if self.options["disentangle"] != "none":
            outputs.append(self.text_specific(tokens, mask))
        return [part for output in outputs for part in (output, masked_mean(output, mask))]

    # --- pre-training ---

    def start_pretraining(self, reports: Sequence[str]) -> None:
        """Learn the small text encoder's tokeniser, unless weights brought one."""
        encoder = self._require_text_encoder()
        if not getattr(encoder, "fitted", True):
            encoder.fit(reports)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses that this configuration has.

        They are reconstruction (``ecg``, ``text``), alignment (``align``) and orthogonality of the parts (``orth``).
        """
        if batch.reports is None:
            raise UsageError("cgdmer learns from pairs: this batch has recordings but no reports")
        ids, mask = self._token_ids(batch.reports)
        losses, ecg, text = {}, None, None
        if self.hidden_shares:
            losses["ecg"], ecg = self.reconstruct_ecg(batch.ecg)
        if self.word_ratio:
            losses["text"], text = self.reconstruct_text(ids, mask)
        if ecg is None or self.options["views"] == "two_pass":
            ecg = self.split_ecg(self.ecg_encoder(batch.ecg))
        if text is None or self.options["views"] == "two_pass":
            text = self.split_text(ids, mask)
        losses["align"] = self.alignment_loss(ecg.shared, text.shared, batch.reports)
        if self.options["disentangle"] == "full":
            losses["orth"] = self.orthogonality_loss(ecg, text)
        return {name: self.weights[name] * value for name, value in losses.items()}

    def reconstruct_ecg(self, ecg: Tensor) -> tuple[Tensor, Parts]:
        """Hide patches and reconstruct them from both parts of the visible ones; return the loss and the parts.

        The loss is the mean squared error over hidden, standardised patches.
        """
        assert self.hidden_shares is not None
        visible = draw_visible(len(ecg), self.patches, self.hidden_shares, self.options["limb"])
        order, count = order_visible_first(visible)
        order = hand_over(order, ecg.device)
        hidden = order[:, count:]
        parts = self.split_ecg(self.ecg_encoder(ecg, order[:, :count]))
        reconstruction = self.ecg_decoder(_concat_parts(parts), order)
        patches = select_tokens(patchify(ecg, self.ecg_encoder.patch).flatten(1, 2), hidden)
        error = reconstruction.float() - standardise_patches(patches)
        return global_mean(error.square().mean(-1).flatten()), parts

    def reconstruct_text(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Parts]:
        """Hide words and predict them from both parts; return the cross-entropy over hidden words, and the parts.

        Ids and mask are on the CPU, which knows there how many words are hidden.
        """
        encoder = self._require_text_encoder()
        if encoder.mask_id is None:
            raise UsageError("cgdmer: this text model has no mask token; set word_ratio = 0 or another text_model")
        hidden, labels = mask_words(ids, encoder.special_ids, encoder.mask_id, encoder.vocab_size, self.word_ratio)
        parts = self.split_text(hidden, mask)
        return global_mean(self.text_words.losses(self.text_decoder(_concat_parts(parts)), labels)), parts

    def alignment_loss(self, ecg: Tensor, text: Tensor, reports: Sequence[str]) -> Tensor:
        """Return the contrastive loss of the shared parts, ``(batch, embed_dim)`` each, over the global batch."""
        same = equal_texts([report_key(report) for report in reports], ecg.device)
        diagonal = torch.eye(len(same), dtype=torch.bool, device=same.device)
        rule = self.options["duplicates"]
        positive = same if rule == "positive" else diagonal
        if self.options["alignment"] == "infonce":
            return clip_loss(ecg, text, self.temperature, positive)
        mask = diagonal | ~same if rule == "left_out" else None
        return siglip_loss(ecg, text, self.log_scale.exp(), self.bias, positive, mask)

    def orthogonality_loss(self, ecg: Parts, text: Parts) -> Tensor:
        """Return the penalty on similar parts: shared and specific ones, and optionally both specific ones."""
        assert ecg.specific is not None and text.specific is not None
        penalty = cross_correlation if self.options["orthogonality"] == "correlation" else mean_squared_cosine
        total = penalty(ecg.specific, ecg.shared) + penalty(text.specific, text.shared)
        return total + self.specific_weight * penalty(ecg.specific, text.specific) if self.specific_weight else total

    # --- text model ---

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries that this configuration uses: without a text model, all but the text side."""
        if self.text_encoder is not None:
            return state
        return {name: value for name, value in state.items() if not name.startswith("text_")}

    def _token_ids(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        try:
            return self._require_text_encoder().token_ids(texts)
        except TokeniserMissing as error:
            raise UsageError(f"cgdmer: {error}") from error

    def _require_text_encoder(self) -> TextEncoder:
        if self.text_encoder is None:
            raise LeftOut(
                "this CG-DMER has no text model (text_model = 'none'): it gives features and ECG embeddings only; set "
                "text_model to 'small', a hub id or a path for anything that reads text"
            )
        return self.text_encoder


class SpecificEncoder(nn.Module):
    """The encoder of one modality's specific part: one transformer block and a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.block, self.norm = Block(width, heads), nn.LayerNorm(width)
        self.apply(init_xavier)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        return self.norm(self.block(tokens, mask))


def _build_projection(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs)).apply(init_xavier)


def _build_embed_norm(kind: str, width: int) -> nn.Module:
    return BatchNorm(width, affine=False) if kind == "batch" else nn.Identity()


def _concat_parts(parts: Parts) -> Tensor:
    """Return the decoders' input; with both parts, the specific encoder must carry what the shared one cannot."""
    if parts.specific_tokens is None:
        return parts.shared_tokens
    return torch.cat([parts.specific_tokens, parts.shared_tokens], dim=-1)


def _build_text_encoder(text_model: str | None, frozen_layers: int) -> TextEncoder | None:
    encoder = build_text_encoder(text_model, max_tokens=128, mask_token=True)
    if not isinstance(encoder, HubTextEncoder):
        return encoder
    for name, weight in encoder.named_parameters():
        if name.startswith(("embeddings.", *(f"encoder.layer.{i}." for i in range(frozen_layers)))):
            weight.requires_grad_(frozen_layers == 0)
        if name.startswith("pooler."):  # the mean token is used instead
            weight.requires_grad_(False)
    return encoder


def _check_options(choices: dict[str, str], lead_ratio: float, time_ratio: float, word_ratio: float) -> None:
    problems = [
        f"{name} = {value!r} is unknown{did_you_mean(value, CHOICES[name])}"
        for name, value in choices.items()
        if value not in CHOICES[name]
    ]
    ratios = {"lead_ratio": lead_ratio, "time_ratio": time_ratio, "word_ratio": word_ratio}
    problems += [f"{name} is {value}, it must lie in [0, 1)" for name, value in ratios.items() if not 0 <= value < 1]
    if choices["mask_mode"] != "none" and not lead_ratio and not time_ratio:
        problems.append("lead_ratio and time_ratio are both 0: nothing would be hidden; mask_mode = 'none' says so")
    if choices["disentangle"] == "none" and choices["features"] in ("specific", "concat"):
        problems.append(f"features = {choices['features']!r} needs a specific encoder, and disentangle is 'none'")
    raise_all(problems, "cgdmer cannot be built with these options:")
