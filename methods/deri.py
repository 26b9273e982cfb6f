"""DERI: contrast of recording and report at several levels, and reconstruction of each from the other (IJCAI 2025).

Chen et al., "DERI: Cross-Modal ECG Representation Learning with Deep ECG-Report Interaction", IJCAI 2025,
https://www.ijcai.org/proceedings/2025/537, after the released code and the supplement. A ResNet's tokens are compared
with the report three times: directly (`cma`), with the text decoded from them added (`mix`), and with the tokens
decoded from the report (`rec_ecg`; `rec_text` is the reverse). Two random views of them are compared with each other
(`rme`).
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import torch
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
)
from benchmark.errors import UsageError, check_choice
from benchmark.registry import METHODS
from methods.nn.contrastive import clip_loss
from methods.nn.deri.random_views import draw_random_views
from methods.nn.deri.separator_attention import SeparatorAttention
from methods.nn.deri.token_decoder import TokenDecoder
from methods.nn.length_groups import apply_by_length, distinct
from methods.nn.official import PARTS, Parts, require_whole_model, select_entries
from methods.nn.resnet1d import DEPTHS, ResNet1D, count_steps
from methods.nn.text import TextOutput
from methods.nn.text_cache import TextCache
from methods.nn.text_side import TextSide
from methods.nn.transfer import hand_over

Vector = Literal["mix", "aligned", "encoder"]
OBJECTIVES = {"all": (), "no_rme": ("rme",), "no_reconstruction": ("rec_ecg", "rec_text")}  # terms that are left out


class Pairs(NamedTuple):
    """One forward pass over recordings and reports: five pairs of ``(batch, dim)``, in the paper's terms."""

    views: tuple[Tensor, Tensor]  # RME: two random subsets of the recording's tokens
    aligned: tuple[Tensor, Tensor]  # recording, report
    mixed: tuple[Tensor, Tensor]  # the same, each with its decoding from the other added
    ecg: tuple[Tensor, Tensor]  # the recording's encoding, and the one decoded from the report
    text: tuple[Tensor, Tensor]  # the report's encoding, and the one decoded from the recording


@METHODS.register("deri")
class DERI(TextSide, AlignedMethod, SequenceMethod, TrainableMethod):
    """DERI with a ResNet-1D; the defaults are the official sizes and the paper's five-term objective.

    `released` leaves out the fifth term (`rec_text`), as the released code does. `objective` ``"no_rme"`` and
    ``"no_reconstruction"`` leave out the terms of two claims of the paper, for ablations. `features`, `embeddings` and
    `tokens` select the outputs for probes, zero-shot and report decoders. They are the official ``"mix"`` (aligned
    tokens plus the text decoded from them), ``"aligned"`` alone, or for features also ``"encoder"`` (the ResNet's 512
    channels).
    `token_mix` says what ``"mix"`` adds to each token: the ``"mean"`` of all decoded tokens, as the release does, or
    what is decoded at its own of ``"places"``, which was this project's form before.
    `consistent_norm` normalises the aligned tokens at inference too; the release normalises them in training only.
    `sep_token` gives the other decoder's separator to the text decoder as a 106th token; the release's linear-probe
    class does not. `mask_ratio` and `keep_order` define the two views of RME (the release shuffles their tokens).
    `text_padding` ``"masked"`` pads a batch to its longest report and ignores the padding; ``"full"``, as in the
    release, pads to `text_tokens` and decodes the padding like text.

    The rest is as in MERL. `text_model` is a hub id or path, ``"package:NAME"``, ``"small"`` or None (in TOML
    ``"none"``: features and ECG embeddings only). `freeze_text` None freezes a published language model and trains a
    small one. `cache_text` reads each report once and needs ``text_dropout_in_train = false``. ``parts = "encoder"``
    builds the ResNet alone.
    """

    readout_options = ("features", "embeddings", "tokens", "token_mix", "consistent_norm")
    first_defaults: ClassVar[dict[str, str]] = {"token_mix": "places"}
    unused: ClassVar[tuple[str, ...]] = (r"ecg_encoder\.linear\..*", r".*\.c_proj\..*")
    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="DERI",
        paper="DERI: Chen et al., IJCAI 2025 (paper 537)",
        licence="none: the official repository has no licence file; this is a re-implementation, checked against it",
        note=(
            "Its authors publish no weights. They pre-trained on MIMIC-IV-ECG and selected by zero-shot scores on the "
            "labelled validation splits of PTB-XL, CPSC2018 and CSN. text_model='small' replaces MedCPT by a two-layer "
            "transformer learned from the training reports alone, so its numbers are not those of the paper."
        ),
    )

    def __init__(
        self,
        encoder: str = "resnet18",
        width: int = 64,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "minmax_record",
        lead_order: Literal["mimic", "standard"] = "mimic",
        embed_dim: int = 256,
        stride: int = 3,
        heads: int = 4,
        view_heads: int = 2,
        decoder_heads: int = 8,
        decoder_depth: int = 2,
        dropout: float = 0.2,
        drop_path: float = 0.1,
        mask_ratio: float = 0.1,
        keep_order: bool = False,
        temperature: float = 0.07,
        released: bool = False,
        objective: Literal["all", "no_rme", "no_reconstruction"] = "all",
        sep_token: bool = True,
        consistent_norm: bool = False,
        features: Vector = "mix",
        embeddings: Literal["mix", "aligned"] = "mix",
        tokens: Literal["mix", "aligned"] = "mix",
        token_mix: Literal["mean", "places"] = "mean",
        text_model: str | None = "ncbi/MedCPT-Query-Encoder",
        text_tokens: int = 256,
        text_padding: Literal["masked", "full"] = "masked",
        freeze_text: bool | None = None,
        text_dropout_in_train: bool = True,
        cache_text: bool = False,
        parts: Parts = "all",
    ) -> None:
        super().__init__()
        check_choice("deri", "encoder", encoder, DEPTHS)
        check_choice("deri", "lead_order", lead_order, LEAD_ORDERS)
        check_choice("deri", "objective", objective, OBJECTIVES)
        check_choice("deri", "features", features, ("mix", "aligned", "encoder"))
        check_choice("deri", "embeddings", embeddings, ("mix", "aligned"))
        check_choice("deri", "tokens", tokens, ("mix", "aligned"))
        check_choice("deri", "token_mix", token_mix, ("mean", "places"))
        check_choice("deri", "text_padding", text_padding, ("masked", "full"))
        check_choice("deri", "parts", parts, PARTS)
        self._signal = SignalSpec(rate, seconds, LEAD_ORDERS[lead_order], scaling)
        self.temperature, self.released, self.keep_order = temperature, released, keep_order
        self.objective = objective
        self.sep_token, self.consistent_norm, self.stride = sep_token, consistent_norm, stride
        self.features, self.embeddings, self.tokens, self.parts = features, embeddings, tokens, parts
        self.token_mix = token_mix
        self.pad_to = text_tokens if text_padding == "full" else None
        self.ecg_encoder = ResNet1D(encoder, width, len(self.signal.leads), 10 if parts == "all" else 0)
        if parts == "encoder":
            if features != "encoder":
                raise ValueError(f"features = {features!r} need the whole model: set features = 'encoder'")
            return
        count = -(-count_steps(self._signal.samples) // stride)  # tokens: 105 for 5,000 samples
        self.view_tokens = int(count * (1 - mask_ratio))  # 94 of them
        if not 0 <= mask_ratio < 1 or not self.view_tokens:
            raise ValueError(f"mask_ratio = {mask_ratio} keeps {self.view_tokens} of {count} tokens in a view")
        self.downconv = nn.Conv1d(self.ecg_encoder.channels, embed_dim, 1, stride)
        self.att_pool_head = SeparatorAttention(count, embed_dim, heads)
        self.linear1 = SeparatorAttention(self.view_tokens, embed_dim, view_heads)
        self.linear2 = SeparatorAttention(self.view_tokens, embed_dim, view_heads)
        cache = TextCache(tokens=True, pad_to=self.pad_to) if cache_text else None
        text_width = self.add_text_model(text_model, embed_dim, freeze_text, text_dropout_in_train, cache, words=True)
        if self.lm_model is not None:
            self.lm_model.max_tokens = min(self.lm_model.max_tokens, text_tokens)
        depth, rates = (decoder_depth, decoder_heads), (dropout, drop_path)
        self.decode_t = TokenDecoder(count + sep_token, embed_dim, text_width, *depth, *rates)  # text from a recording
        self.decode_e = TokenDecoder(text_tokens, embed_dim, embed_dim, *depth, *rates)  # a recording from text

    @property
    def signal(self) -> SignalSpec:
        """Officially 10 s at 500 Hz, MIMIC's lead order, the whole record scaled to 0..1."""
        return self._signal

    # --- inference, as in the release's zero-shot, probe and report classes ---

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the features: ``(batch, lead, time)`` -> ``(batch, embed_dim)``; of the encoder ``(batch, 512)``."""
        return self.ecg_encoder(ecg).mean(-1) if self.features == "encoder" else self._pool_tokens(ecg, self.features)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the vector compared with text, not normalised: ``(batch, lead, time)`` -> ``(batch, embed_dim)``."""
        return self._pool_tokens(ecg, self.embeddings)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the tokens: ``(batch, lead, time)`` -> ``(batch, 105, embed_dim)``.

        With ``tokens = "mix"`` decoded text is added to each: the mean over all that is decoded, the separator's too
        (``token_mix = "mean"``), or what is decoded at the token's own place (``"places"``).
        """
        tokens = self._encode_for_inference(ecg)
        if self.tokens == "aligned":
            return tokens
        decoded = self._decode_text(tokens)
        if self.token_mix == "mean":
            return tokens + self.project_text(decoded.mean(1, keepdim=True))
        return tokens + self.project_text(decoded[:, : tokens.shape[1]])

    def _pool_tokens(self, ecg: Tensor, kind: Vector) -> Tensor:
        """Return the mean aligned token; for ``mix`` with the mean of the text decoded from the tokens added."""
        tokens = self._encode_for_inference(ecg)
        aligned = tokens.mean(1)
        return aligned if kind == "aligned" else aligned + self.project_text(self._decode_text(tokens).mean(1))

    def _encode_for_inference(self, ecg: Tensor) -> Tensor:
        """Return the aligned tokens, normalised with `consistent_norm`."""
        tokens = self.align_tokens(self.encode(ecg))
        return F.normalize(tokens, dim=-1) if self.consistent_norm else tokens

    # --- blocks ---

    def encode(self, ecg: Tensor) -> Tensor:
        """Encode ``(batch, lead, time)`` into tokens ``(batch, 105, embed_dim)``."""
        require_whole_model(self.parts, "tokens and embeddings")
        maps = self.ecg_encoder(ecg).transpose(1, 2)[:, :: self.stride]
        # a convolution over one step is a linear map of each step
        return F.linear(maps, self.downconv.weight.squeeze(-1), self.downconv.bias)

    def align_tokens(self, encoded: Tensor) -> Tensor:
        """Apply attention among the tokens; same shape, not normalised."""
        return self.att_pool_head(encoded)

    def _decode_text(self, tokens: Tensor) -> Tensor:
        """Decode ``(batch, token, embed_dim)`` into the text model's features ``(batch, token (+ 1), text width)``."""
        if self.sep_token:  # both decoders share one learned vector (the paper's "shared embedding")
            shared = self.decode_e.sep_embedding.expand(len(tokens), 1, -1)
            tokens = torch.cat([tokens, shared], dim=1)
        return self.decode_t(tokens)

    def _decode_ecg(self, text: TextOutput) -> Tensor:
        """Decode the recording's encoding from the report, mean over the report's tokens: ``(batch, embed_dim)``."""
        if self.pad_to:
            return self.decode_e(self.project_text(text.tokens)).mean(1)
        limit = self.decode_e.tokens
        (decoded,) = apply_by_length(self._decode_ecg_group, text.mask, text.tokens, by_token=(False,), limit=limit)
        return decoded

    def _decode_ecg_group(self, mask: Tensor, tokens: Tensor) -> tuple[Tensor]:
        """Decode texts of similar length: mask ``(batch, token)`` and states ``(batch, token, text width)``."""
        decoded = self.decode_e(self.project_text(tokens), mask)
        return ((decoded * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True),)

    # --- pre-training ---

    def compute_pairs(self, ecg: Tensor, text: TextOutput, index: Tensor | None = None) -> Pairs:
        """Compute the training forward pass of recordings ``(batch, lead, time)`` and the text model's output.

        `index` ``(batch,)`` is the row of `text` that belongs to each recording; None: each has its own.
        """
        encoded = self.encode(ecg)
        first, second = draw_random_views(encoded, self.view_tokens, self.keep_order)
        tokens = F.normalize(self.align_tokens(encoded), dim=-1)
        recording = tokens.mean(1)
        pooled, decoded_ecg = text.pooled, self._decode_ecg(text)
        if index is not None:
            pooled, decoded_ecg = pooled[index], decoded_ecg[index]
        report = F.normalize(self.project_text(pooled), dim=-1)
        decoded_text = self._decode_text(tokens).mean(1)
        return Pairs(
            views=(self.linear1(first).mean(1), self.linear2(second).mean(1)),
            aligned=(recording, report),
            mixed=(recording + self.project_text(decoded_text), report + decoded_ecg),
            ecg=(encoded.mean(1), decoded_ecg),
            text=(pooled, decoded_text),
        )

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of equal weight of the objective: ``cma``, ``mix``, ``rme``, ``rec_ecg``, ``rec_text``."""
        if batch.reports is None:
            raise UsageError("deri learns from pairs: this batch has recordings but no reports")
        texts, index = distinct(batch.reports)
        text = self.encode_texts(texts, self.pad_to)
        return self.pair_losses(self.compute_pairs(batch.ecg, text, hand_over(index, batch.ecg.device)))

    def pair_losses(self, pairs: Pairs) -> dict[str, Tensor]:
        """Return the contrastive loss of each pair; "reconstruction" is a contrast too, not a distance."""
        terms = {"cma": pairs.aligned, "mix": pairs.mixed, "rme": pairs.views, "rec_ecg": pairs.ecg}
        if not self.released:
            terms["rec_text"] = pairs.text
        terms = {name: pair for name, pair in terms.items() if name not in OBJECTIVES[self.objective]}
        return {name: clip_loss(*pair, self.temperature) for name, pair in terms.items()}

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries that this configuration uses, of an official file of the whole model or of the encoder."""
        return select_entries(state, self.parts, text=self.has_text_model)
