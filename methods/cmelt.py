"""C-MELT (D-BETA): masked ECG-text auto-encoders trained with contrastive losses as well (Pham et al., ICML 2025).

Pham et al., "C-MELT: Contrastive Enhanced Masked Auto-Encoders for ECG-Language Pre-Training", 2024, published as
D-BETA, "Boosting Masked ECG-Text Auto-Encoders as Discriminative Learners", ICML 2025 (PMLR v267),
https://arxiv.org/abs/2410.02131.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import (
    LEAD_ORDERS,
    LEADS,
    AlignedMethod,
    Batch,
    MethodCard,
    SequenceMethod,
    SignalSpec,
    TrainableMethod,
    Weights,
)
from benchmark.errors import LeftOut, UsageError, did_you_mean, raise_all
from benchmark.registry import METHODS
from methods.nn.cmelt.coattention import CoAttentionLayer, Pooler, attend_to_each_other
from methods.nn.cmelt.dbeta_files import select_entries
from methods.nn.cmelt.masked_patches import (
    PatchDecoder,
    VisiblePatches,
    draw_visible_patches,
    patch_targets,
    reconstruction_loss,
)
from methods.nn.cmelt.masked_text_batch import (
    MaskedTextBatch,
    clean_report,
    mask_texts,
    mask_texts_as_released,
    replace_reports,
)
from methods.nn.cmelt.n3s import HardNegatives, default_negative_model, load_embedding
from methods.nn.contrastive import sigmoid_loss
from methods.nn.gather import gather, global_mean
from methods.nn.lead_masking import mask_leads
from methods.nn.length_groups import apply_by_length
from methods.nn.masked_words import IGNORED, MaskedWordHead
from methods.nn.text import TextEncoder, build_text_encoder
from methods.nn.transfer import hand_over
from methods.nn.wav2vec import Wav2Vec, init_bert_weights

FEATURES = ("pooled", "projected", "class", "mean")
MAX_TOKENS = 254


class Fused(NamedTuple):
    """The outputs of both encoders and of the fusion for a batch of pairs."""

    ecg_feature: Tensor  # (batch, width), of the visible patches alone
    text_feature: Tensor  # (batch, width), of the text alone
    text: Tensor  # (batch, word, width)
    ecg: Tensor  # (batch, 1 + visible, width), the class token first
    decoder_input: Tensor  # the ECG stream before fusion layer `mem_layer`, read by the patch decoder
    pair: Tensor  # (batch, 2 * width), text and ECG


class Outputs(NamedTuple):
    """The outputs of all heads, from which the losses are computed."""

    word_losses: Tensor  # (words to predict,)
    patches: Tensor  # (batch, hidden, lead, sample)
    matching: Tensor  # (batch, 2)
    ecg_feature: Tensor  # (batch, width)
    text_feature: Tensor  # (batch, width)


@METHODS.register("cmelt")
class CMELT(nn.Module, AlignedMethod, SequenceMethod, TrainableMethod):
    """C-MELT / D-BETA; the defaults are the official sizes with the corrected data path.

    Sizes: `width`, `depth` and `heads` of the ECG encoder, its `channels` and `convolutions` (each halves the rate),
    and `position_kernel` and `position_groups` of its positions. There are `fusion_layers`; the patch decoder reads the
    ECG stream before layer `mem_layer` and has `decoder_width`, `decoder_depth` and `decoder_heads`. `rate` is in Hz.
    `initial_gain` widens the ECG encoder's initial weights. At 1 (officially) the class token is almost the same for
    all recordings, and a short training does not change that.

    Corruption: `lead_masking`, `mem_ratio` and `mlm_ratio` are the shares of leads, patches and words that are hidden.
    `replaced` is the share of reports replaced by one of their `negatives` least similar ones (0: by any other), drawn
    evenly or by ``"frequency"`` in the corpus (`negative_draw`). Similarity is that of the embedding of
    `negative_model`: a hub id or path, ``"package:NAME"``, ``"hashed"``, ``"words"`` (hashed without signs), or None
    (flan-t5-small for a text model of the hub, the text model as published for one in a folder or package, else
    hashed). `mem_target` is the recording before (``clean``) or after lead masking (``masked``); None is clean unless
    `released`. `ets_bias` is added to the logits of the sigmoid loss: SigLIP's bias, but fixed. Officially there is
    none, and the first steps make all pairs dissimilar. `released` trains as the released code does, see
    ``docs/methods-cmelt.md``.

    `length_groups` has no effect any more, since texts of similar length are always read together; suites that set it
    stay valid. `features` selects the input of a probe: ``pooled`` (official), ``projected`` (before its tanh), the
    encoder's ``class`` token, or the ``mean`` of its patches. `text_model` is a hub id or path, ``"package:NAME"``,
    ``"small"`` or None (``"none"``); without one there are features, tokens and ECG embeddings only.
    """

    card: ClassVar[MethodCard] = MethodCard(
        title="C-MELT (D-BETA)",
        paper="C-MELT / D-BETA: Pham et al., ICML 2025 (PMLR v267, arXiv 2410.02131)",
        licence="the project's own code; published weights: CC BY-NC 4.0",
        trained_on=("mimic_iv_ecg",),
        weights={
            "d_beta": Weights("the gated hub repository Manhph2211/D-BETA", "", "CC BY-NC 4.0", "dbeta.pt"),
        },
        note=(
            "trained_on describes the published weights (gated: Manhph2211/D-BETA on the Hugging Face hub). Their lead "
            "order is not documented, so compare lead_order standard and mimic on validation. "
            "text_model='small' replaces Flan-T5-base by a two-layer transformer learned from the training reports."
        ),
    )

    def __init__(
        self,
        width: int = 768,
        depth: int = 8,
        heads: int = 12,
        channels: int = 256,
        convolutions: int = 4,
        position_kernel: int = 128,
        position_groups: int = 16,
        fusion_layers: int = 6,
        mem_layer: int = 3,
        decoder_width: int = 384,
        decoder_depth: int = 4,
        decoder_heads: int = 6,
        dropout: float = 0.1,
        initial_gain: float = 1.0,
        rate: float = 500.0,
        seconds: float = 10.0,
        lead_order: Literal["standard", "mimic"] = "standard",
        lead_masking: float = 0.5,
        mem_ratio: float = 0.75,
        mlm_ratio: float = 0.25,
        replaced: float = 0.5,
        negatives: int = 64,
        negative_model: str | None = None,
        negative_draw: Literal["even", "frequency"] = "even",
        mem_target: Literal["clean", "masked"] | None = None,
        ets_bias: float = 0.0,
        released: bool = False,
        length_groups: int = 1,
        features: str = "pooled",
        text_model: str | None = "google/flan-t5-base",
    ) -> None:
        super().__init__()
        shares = {"lead_masking": lead_masking, "mem_ratio": mem_ratio, "mlm_ratio": mlm_ratio, "replaced": replaced}
        problems = [
            f"{name} is {share}, it must lie in [0, 1]" for name, share in shares.items() if not 0 <= share <= 1
        ]
        problems += _find_unknown("lead_order", lead_order, LEAD_ORDERS) + _find_unknown("features", features, FEATURES)
        problems += _find_unknown("negative_draw", negative_draw, ("even", "frequency"))
        problems += [] if mem_target is None else _find_unknown("mem_target", mem_target, ("clean", "masked"))
        if not 0 <= mem_layer <= fusion_layers:
            problems.append(f"mem_layer is {mem_layer}, it must lie in 0..{fusion_layers} (fusion_layers)")
        if length_groups < 1 or (released and length_groups > 1):
            problems.append(f"length_groups is {length_groups}, it must be at least 1, and 1 with released = true")
        problems += [
            f"{name} is {size}, no multiple of {part} ({by})"
            for name, size, by, part in (
                ("width", width, "heads", heads),
                ("width", width, "position_groups", position_groups),
                ("decoder_width", decoder_width, "decoder_heads", decoder_heads),
            )
            if size % part
        ]
        raise_all(problems, "cmelt cannot be built with these options:")
        self._signal = SignalSpec(rate, seconds, LEAD_ORDERS[lead_order])
        self.lead_masking, self.mem_ratio, self.mlm_ratio = lead_masking, mem_ratio, mlm_ratio
        self.replaced, self.negatives, self.mem_layer = replaced, negatives, mem_layer
        self.negative_draw, self.ets_bias, self.released = negative_draw, ets_bias, released
        self.features = features
        self.mem_target = mem_target or ("masked" if released else "clean")

        self.ecg_encoder = Wav2Vec(
            width,
            depth,
            heads,
            channels,
            convolutions,
            position_kernel,
            position_groups,
            len(LEADS),
            dropout,
            initial_gain,
        )
        self.class_embedding = nn.Parameter(torch.rand(width))
        self.multi_modal_ecg_proj = nn.Linear(width, width)
        self.unimodal_ecg_pooler = Pooler(width)
        self.language_encoder = build_text_encoder(text_model, MAX_TOKENS, mask_token=True)
        if self.language_encoder is not None and self.language_encoder.mask_id is None:
            raise UsageError(f"cmelt hides words, but the tokeniser of {text_model} has no token for a hidden one")
        self.negative_model = negative_model or default_negative_model(self.language_encoder)
        self._hard_negatives: HardNegatives | None = None
        if self.language_encoder is not None:
            self._build_fusion(self.language_encoder, width, fusion_layers, heads, dropout)
            patch = self.ecg_encoder.patch
            self.mim_head = PatchDecoder(
                width, decoder_width, decoder_depth, decoder_heads, self.signal.samples // patch, patch, len(LEADS)
            )
        for name, module in self.named_children():
            if name not in ("ecg_encoder", "language_encoder"):
                init_bert_weights(module, width)

    def _build_fusion(self, text: TextEncoder, width: int, layers: int, heads: int, dropout: float) -> None:
        """Build the co-attention layers, the poolers and the heads that need text."""
        self.multi_modal_language_proj = nn.Linear(text.width, width)
        self.modality_type_embeddings = nn.Embedding(2, width)  # text, ECG
        self.multi_modal_language_layers = nn.ModuleList(CoAttentionLayer(width, heads, dropout) for _ in range(layers))
        self.multi_modal_ecg_layers = nn.ModuleList(CoAttentionLayer(width, heads, dropout) for _ in range(layers))
        self.unimodal_language_pooler = Pooler(width)
        self.multi_modal_language_pooler, self.multi_modal_ecg_pooler = Pooler(width), Pooler(width)
        self.mlm_head = MaskedWordHead(width, text.vocab_size)
        self.itm_head = nn.Sequential(OrderedDict(fc=nn.Linear(2 * width, 2)))

    @property
    def signal(self) -> SignalSpec:
        """Officially 10 s at 500 Hz in millivolt; the encoder ignores gain and offset, but not below microvolt."""
        return self._signal

    # --- uni-modal encoders ---

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the encoder's states, class token first: ``(batch, lead, time)`` -> ``(batch, 1 + patch, width)``."""
        return self._encode_patches(self.ecg_encoder.embed(ecg))

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the vector that `features` selects: ``(batch, lead, time)`` -> ``(batch, width)``."""
        tokens = self.ecg_tokens(ecg)
        if self.features == "mean":
            return tokens[:, 1:].mean(1)
        if self.features == "class":
            return tokens[:, 0]
        projected = self.multi_modal_ecg_proj(tokens[:, :1])
        if self.features == "projected":
            return self.unimodal_ecg_pooler.dense(projected[:, 0])
        return self.unimodal_ecg_pooler(projected)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Return the vector compared with text, in (-1, 1): ``(batch, lead, time)`` -> ``(batch, width)``."""
        return self.unimodal_ecg_pooler(self.multi_modal_ecg_proj(self.ecg_tokens(ecg)[:, :1]))

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Return the embeddings of reports or prompts, ``(len(texts), width)`` in (-1, 1)."""
        encoder = self._require_text_encoder("text_embeddings")
        return self.text_features(*encoder.tokenise([clean_report(text) for text in texts]))

    def text_features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return text embeddings from tokens: ids and mask ``(batch, word)`` -> ``(batch, width)``."""
        return self.unimodal_language_pooler(self._encode_words(ids, mask))

    def similarity(self, ecg: Tensor, text: Tensor) -> Tensor:
        """Return the raw dot product of the sigmoid loss: ``(batch, width), (class, width)`` -> ``(batch, class)``."""
        return ecg @ text.T

    def _encode_patches(self, patches: Tensor) -> Tensor:
        return self.ecg_encoder.encode(torch.cat([self.class_embedding.expand(len(patches), 1, -1), patches], 1))

    def _encode_words(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return projected states of the text encoder, ``(batch, word, width)``."""
        return self.multi_modal_language_proj(self._require_text_encoder("text features").encode(ids, mask).tokens)

    # --- fusion ---

    def fuse(
        self,
        ecg: Tensor,
        ids: Tensor,
        mask: Tensor,
        visible: VisiblePatches,
        padding_is_text: bool = False,
        read: Tensor | None = None,
    ) -> Fused:
        """Encode visible patches and words, then apply co-attention to texts of similar length together.

        `ecg` is ``(batch, lead, time)``, `ids` and `mask` are ``(batch, word)``. With `padding_is_text` the text
        encoder (and it alone) reads the padding too, as in the released code. With `read` ``(batch, word)`` bool the
        last layer computes these words and the first tokens alone; other words are 0.
        """
        words = self._encode_words(ids, torch.ones_like(mask) if padding_is_text else mask)
        tokens = self.multi_modal_ecg_proj(self._encode_patches(self.ecg_encoder.embed(ecg, visible.order)))
        inputs = (words,) if read is None else (words, read)
        assert self.language_encoder is not None
        fused = apply_by_length(
            self._fuse_group,
            mask,
            *inputs,
            others=(tokens,),
            by_token=(True, *3 * [False]),
            limit=self.language_encoder.max_tokens,
        )
        return Fused(self.unimodal_ecg_pooler(tokens), self.unimodal_language_pooler(words), *fused)

    def _fuse_group(self, mask: Tensor, words: Tensor, *others: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return text, ECG, the patch decoder's input and the pair, the last four fields of `Fused`."""
        *read, tokens = others
        kinds = self.modality_type_embeddings.weight
        layers = list(zip(self.multi_modal_language_layers, self.multi_modal_ecg_layers, strict=True))
        states = [(words + kinds[0], tokens + kinds[1])]  # before each layer, and after the last
        for language, ecg in layers[: -1 if read else None]:
            states.append(attend_to_each_other(language, ecg, *states[-1], mask))
        if read and layers:
            needs_patches = self.mem_layer == len(layers)
            states.append(attend_to_each_other(*layers[-1], *states[-1], mask, read[0], needs_patches))
        text, patches = states[-1]
        pair = torch.cat([self.multi_modal_language_pooler(text), self.multi_modal_ecg_pooler(patches)], -1)
        return text, patches, states[self.mem_layer][1], pair

    # --- pre-training ---

    def start_pretraining(self, reports: Sequence[str]) -> None:
        """Learn the small text encoder's tokeniser, unless weights brought one, and find each report's negatives."""
        encoder = self._require_text_encoder("pre-training")
        if not getattr(encoder, "fitted", True):
            encoder.fit(reports)
        corpus = [clean_report(report) for report in reports]
        embed, by_frequency = load_embedding(self.negative_model), self.negative_draw == "frequency"
        self._hard_negatives = HardNegatives(corpus, embed, self.negatives, by_frequency)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return four losses of equal weight.

        They are masked words (``mlm``), masked patches (``mem``), matching (``etm``) and the sigmoid loss of pairs
        (``ets``). In eval mode all masks and negatives are drawn with a fixed seed, so that the validation losses of
        two epochs can be compared.
        """
        if batch.reports is None:
            raise UsageError("cmelt learns from pairs: this batch has recordings but no reports")
        if self.training:
            return self._losses(batch.ecg, [clean_report(report) for report in batch.reports])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self._losses(batch.ecg, [clean_report(report) for report in batch.reports])

    def _losses(self, ecg: Tensor, reports: Sequence[str]) -> dict[str, Tensor]:
        """Return the four losses of recordings ``(batch, lead, time)`` and their cleaned reports."""
        masked, patch = mask_leads(ecg, self.lead_masking), self.ecg_encoder.patch
        patches = ecg.shape[-1] // patch
        visible = draw_visible_patches(len(ecg), patches, self.mem_ratio, ecg.device)
        texts = self._mask_texts(reports)
        target = patch_targets(masked if self.mem_target == "masked" else ecg, patches, patch)
        out = self._compute_outputs(masked, texts, visible)
        return {
            "mlm": global_mean(out.word_losses),
            "mem": reconstruction_loss(out.patches, target, visible),
            "etm": F.cross_entropy(out.matching.float(), texts.aligned.long()),
            "ets": self.ets_loss(out.ecg_feature, out.text_feature, texts),
        }

    def _mask_texts(self, reports: Sequence[str]) -> MaskedTextBatch:
        """Build the batch's texts: some reports replaced by a negative, then some words hidden."""
        encoder = self._require_text_encoder("pre-training")
        if self._hard_negatives is None:
            raise UsageError("cmelt has no negatives yet: call start_pretraining with the training reports first")
        texts = replace_reports(reports, self._hard_negatives, self.replaced)
        return (mask_texts_as_released if self.released else mask_texts)(encoder, reports, texts, self.mlm_ratio)

    def _compute_outputs(self, ecg: Tensor, texts: MaskedTextBatch, visible: VisiblePatches) -> Outputs:
        """Apply all heads."""
        read = hand_over(texts.labels != IGNORED, texts.mask.device)
        fused = self.fuse(ecg, texts.ids, texts.mask, visible, self.released, read)
        return Outputs(
            self.mlm_head.losses(fused.text, texts.labels),
            self.mim_head.predict_hidden(fused.decoder_input, visible),
            self.itm_head(fused.pair),
            fused.ecg_feature,
            fused.text_feature,
        )

    def ets_loss(self, ecg: Tensor, text: Tensor, texts: MaskedTextBatch) -> Tensor:
        """Return the sigmoid loss of all pairs of the global batch; features are ``(batch, width)``.

        A pair is positive where the text equals the recording's own report word for word. The released code takes only
        the diagonal as positive, and divides by the number of pairs instead of recordings.
        """
        report_hash, text_hash = gather(texts.report_hash), gather(texts.text_hash)
        with torch.autocast(ecg.device.type, enabled=False):
            logits = self.similarity(gather(ecg.float()), gather(text.float())) + self.ets_bias
        if self.released:
            return sigmoid_loss(logits, torch.diag(report_hash == text_hash)) / len(logits)
        return sigmoid_loss(logits, report_hash.unsqueeze(1) == text_hash.unsqueeze(0))

    # --- weights ---

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries of a D-BETA file that this configuration uses: all, or the ECG side alone."""
        return select_entries(state, text=self.language_encoder is not None)

    def _require_text_encoder(self, purpose: str) -> TextEncoder:
        if self.language_encoder is None:
            raise LeftOut(
                f"{purpose}: this cmelt has no text model (text_model = 'none'), it gives features, tokens and ECG "
                "embeddings only; set text_model to 'small', a hub id or a path"
            )
        return self.language_encoder


def _find_unknown(field: str, value: str, choices: Collection[str]) -> list[str]:
    return [] if value in choices else [f"{field} = {value!r} is unknown{did_you_mean(value, choices)}"]
