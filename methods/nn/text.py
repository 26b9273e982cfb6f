"""Text encoders with the interface `TextEncoder`.

`HubTextEncoder` is a published language model (MERL and DERI: ncbi/MedCPT-Query-Encoder). `SmallTextEncoder` is a
two-layer transformer with its own tokeniser, both learned from the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.weights.language_models import TextModelMissing as TextModelMissing  # what `HubTextEncoder` raises
from benchmark.weights.language_models import load_language_model, refuse_missing
from benchmark.weights.packages import find_package, in_package
from benchmark.weights.packages import gives_vectors_only as gives_vectors_only
from methods.nn.attention import attend
from methods.nn.sentence_pooling import SentencePooling, read_pooling
from methods.nn.text_encoder import TextEncoder as TextEncoder
from methods.nn.text_encoder import TextOutput as TextOutput
from methods.nn.text_vectors import PackagedVectors

SMALLEST_VOCABULARY = 258
TAKE_WHOLE_MASKS = ("bert", "t5")  # the families of MedCPT and Flan-T5
ALTERNATIVE = "text_model = 'small' (trained from the reports) or 'none' (features only) need no download"
SIZES: dict[str, dict[str, int]] = {"small": {}, "tiny": {"vocab_size": 512, "width": 32, "layers": 1, "heads": 1}}


class TokeniserMissing(RuntimeError):  # noqa: N818
    """A `SmallTextEncoder` was used before it had a corpus or weights."""


def build_text_encoder(
    text_model: str | None, max_tokens: int = 256, mask_token: bool = False, words: bool = True
) -> TextEncoder | None:
    """Build the encoder that a method's option `text_model` names.

    It is a hub id or path, ``"package:NAME"`` of an installed package, ``"small"``, or None. ``"tiny"`` is a small one
    for tests. ``"none"`` means None, which TOML cannot express. A published model is cut at `max_tokens`. `mask_token`
    gives a small one a token for hidden words; published tokenisers have their own. Without `words` an encoder will do
    that gives one vector per text and nothing else.
    """
    if text_model in (None, "none"):
        return None
    if not words and gives_vectors_only(text_model):
        return PackagedVectors(text_model)
    sizes = SIZES.get(text_model)
    return HubTextEncoder(text_model, max_tokens) if sizes is None else SmallTextEncoder(**sizes, mask_token=mask_token)


# --- a published language model ------------------------------------------------------------------


class HubTextEncoder(TextEncoder):
    """A language model by hub id, local path or package, under its own parameter names (``embeddings.*``, ...).

    `pooled` is the model's pooler output, as MERL uses it, or the state of the first token where the model has no
    pooler. A packaged sentence encoder is pooled as its own files say (`read_pooling`). Weights that a checkpoint lacks
    are an error, never random; it calls the model by its `role` and names the `alternative`.
    """

    def __init__(
        self, name_or_path: str, max_tokens: int = 256, role: str = "the text model", alternative: str = ALTERNATIVE
    ) -> None:
        super().__init__()
        self.name_or_path = name_or_path
        self.at_hand: bool = in_package(name_or_path) or Path(name_or_path).is_dir()  # nothing of it is downloaded
        model, self.tokeniser = _load(name_or_path, role, alternative)
        self.pooling = _pooling(name_or_path, role)
        if self.pooling is not None:
            model.pooler = None  # no part of a sentence vector: it would be frozen weight without a use
        self._model = (model,)  # in a tuple, since its children are registered below under the official names
        for name, child in model.named_children():
            self.add_module(name, child)
        self.width: int = model.config.hidden_size
        self.max_tokens = min(max_tokens, getattr(model.config, "max_position_embeddings", max_tokens))
        self.vocab_size = model.config.vocab_size
        self.mask_id = _mask_id(self.tokeniser)
        self.special_ids = tuple(self.tokeniser.all_special_ids)
        self.register_load_state_dict_pre_hook(_drop_position_ids)

    def token_ids(self, texts: Sequence[str], pad_to: int | None = None) -> tuple[Tensor, Tensor]:
        """Return ids and mask, ``(batch, token)`` each, on the CPU."""
        tokens = self.tokeniser(
            [text.lower() for text in texts],
            truncation=True,
            max_length=min(self.max_tokens, pad_to or self.max_tokens),
            padding="max_length" if pad_to else True,
            return_tensors="pt",
        )
        return tokens["input_ids"], tokens["attention_mask"].bool()

    def encode_padded(self, ids: Tensor, mask: Tensor) -> TextOutput:
        """Map ids and mask ``(batch, token)`` to pooled ``(batch, width)`` and tokens ``(batch, token, width)``."""
        output = self._model[0](input_ids=ids, attention_mask=self._attention_mask(mask))
        states = output.last_hidden_state
        if self.pooling is not None:
            return TextOutput(self.pooling(states, mask), states, mask)
        pooled = getattr(output, "pooler_output", None)
        return TextOutput(states[:, 0] if pooled is None else pooled, states, mask)

    def _attention_mask(self, mask: Tensor) -> Tensor:
        """Return the mask ``(batch, token)`` as the model takes it.

        transformers reads from the device whether a mask of two dimensions hides anything at all, which waits for a
        GPU. One of four dimensions, ``(batch, 1, token, token)``, it takes as it is.
        """
        model = self._model[0]
        if mask.device.type == "cpu" or model.config.model_type not in TAKE_WHOLE_MASKS:
            return mask.long()
        whole = mask[:, None, None, :].expand(-1, -1, mask.shape[1], -1)
        if model.config._attn_implementation == "sdpa":
            return whole
        kind = model.get_input_embeddings().weight.dtype
        return torch.zeros(whole.shape, dtype=kind, device=mask.device).masked_fill(~whole, torch.finfo(kind).min)


def _load(name_or_path: str, role: str, alternative: str) -> tuple[Any, Any]:
    """Load model and tokeniser; raises `TextModelMissing` unless both are complete."""
    model, tokeniser, missing = load_language_model(role, name_or_path, _model_class, alternative)
    if missing and all(key.startswith("pooler.") for key in missing):
        model.pooler, missing = None, []  # pre-trained without a pooler: the first token's state is used
    refuse_missing(role, name_or_path, missing)
    if tokeniser.pad_token_id is None:
        raise TextModelMissing(f"{role} {name_or_path!r}: its tokeniser has no token for padding, so it is no encoder")
    return model.float(), tokeniser


def _pooling(name_or_path: str, role: str) -> SentencePooling | None:
    return read_pooling(find_package(name_or_path, role).folder) if in_package(name_or_path) else None


def _model_class(config: Any) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoModel, AutoModelForTextEncoding

    if "t5" in config.model_type:
        # T5's dot products are not scaled and therefore large, so the rounding of a fused attention kernel would show
        # in the fourth digit
        return AutoModelForTextEncoding, {"attn_implementation": "eager"}
    return AutoModel, {}


def _mask_id(tokeniser: Any) -> int | None:
    """Return the tokeniser's mask token, or T5's first sentinel, which its pre-training uses for hidden words."""
    if tokeniser.mask_token_id is not None:
        return int(tokeniser.mask_token_id)
    sentinel = tokeniser.convert_tokens_to_ids("<extra_id_0>")
    return None if sentinel in (None, tokeniser.unk_token_id) else int(sentinel)


def _drop_position_ids(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Drop a buffer that old releases of transformers wrote into checkpoints and new ones compute."""
    state.pop(f"{prefix}embeddings.position_ids", None)


# --- a small language model, learned from the corpus ---------------------------------------------


class SmallTextEncoder(TextEncoder):
    """Byte-level BPE learned by `fit`, then a pre-norm transformer; `pooled` is the mean over real tokens.

    The embedding has `vocab_size` rows whatever the corpus, so the module can be built before there are any texts. The
    tokeniser's JSON is part of `state_dict` as a uint8 tensor (``_extra_state``). With `mask_token` the last row is
    reserved for hidden tokens, and the tokeniser does not use it.
    """

    def __init__(
        self,
        vocab_size: int = 4096,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        max_tokens: int = 128,
        dropout: float = 0.1,
        mask_token: bool = False,
    ) -> None:
        super().__init__()
        if vocab_size < SMALLEST_VOCABULARY:
            raise ValueError(f"vocab_size is {vocab_size}; 256 bytes and 2 special tokens need {SMALLEST_VOCABULARY}")
        self.vocab_size, self.width, self.max_tokens = vocab_size, width, max_tokens
        self.mask_id, self.special_ids = (vocab_size - 1 if mask_token else None), (0, 1)  # [PAD], [CLS]
        self.tokeniser: Any = None  # tokenizers.Tokenizer
        self.embedding = nn.Embedding(vocab_size, width)
        self.positions = nn.Parameter(0.02 * torch.randn(max_tokens, width))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(TextLayer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=0.02)

    @property
    def fitted(self) -> bool:
        """Whether there is a tokeniser, from `fit` or from weights."""
        return self.tokeniser is not None

    def fit(self, reports: Sequence[str]) -> None:
        """Learn the tokeniser; the same reports give the same tokeniser."""
        self.tokeniser = learn_tokeniser(reports, self.vocab_size - (self.mask_id is not None))

    def encode_padded(self, ids: Tensor, mask: Tensor) -> TextOutput:
        """Map ids and mask ``(batch, token)`` to pooled ``(batch, width)`` and tokens ``(batch, token, width)``."""
        x = self.dropout(self.embedding(ids) + self.positions[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x)
        real = mask.unsqueeze(-1)
        return TextOutput((x * real).sum(1) / real.sum(1), x, mask)

    def token_ids(self, texts: Sequence[str], pad_to: int | None = None) -> tuple[Tensor, Tensor]:
        """Return ids and mask, ``(batch, token)`` each, on the CPU; raises `TokeniserMissing` before `fit`."""
        if self.tokeniser is None:
            raise TokeniserMissing(
                "the small text encoder has no tokeniser yet: pre-train it (start_pretraining learns one from "
                "the training reports) or load weights that hold one"
            )
        limit = min(self.max_tokens, pad_to or self.max_tokens)
        rows = [row.ids[:limit] for row in self.tokeniser.encode_batch(list(texts))]
        ids = torch.zeros(len(rows), limit if pad_to else max(map(len, rows)), dtype=torch.long)
        mask = torch.zeros_like(ids, dtype=torch.bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = True
        return ids, mask

    def get_extra_state(self) -> Tensor:
        """Return the tokeniser as JSON in bytes, so that a safetensors file of `state_dict` is complete."""
        text = self.tokeniser.to_str() if self.fitted else ""
        return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8) if text else torch.empty(0).byte()

    def set_extra_state(self, state: Tensor) -> None:
        """Set the tokeniser from the output of `get_extra_state`; empty means no tokeniser."""
        from tokenizers import Tokenizer

        text = bytes(state.cpu().tolist()).decode()
        self.tokeniser = Tokenizer.from_str(text) if text else None


class TextLayer(nn.Module):
    """Pre-norm self-attention over real tokens, then a feed-forward part, each with its residual."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape; `mask` ``(batch, token)`` is False at padding."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.dropout(self.out(attend(q, k, v, mask).transpose(1, 2).flatten(2)))
        return x + self.dropout(self.mlp(self.norm2(x)))


def learn_tokeniser(reports: Sequence[str], vocab_size: int) -> Any:
    """Learn a case-folded byte-level BPE, to which no text is unknown.

    ``[CLS]`` opens each text, so that an empty one has a token.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokeniser = Tokenizer(models.BPE())
    tokeniser.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokeniser.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokeniser.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["[PAD]", "[CLS]"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokeniser.train_from_iterator(reports, trainer)
    tokeniser.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 1)])
    return tokeniser
