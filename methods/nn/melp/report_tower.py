"""MELP's reading of reports: a language model in which each word knows only the words before it.

The summary token stands behind the text, always at the last position that the model has, so that it has read every
word. `HubReportTower` is a published BERT, `SmallReportTower` one learned from the reports.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.nn.text import SIZES, HubTextEncoder, SmallTextEncoder, TextOutput

MAX_TOKENS = 127  # without the summary token
OPENING = "[BOS]"
CLS = 1  # of the small tokeniser
FULL_STOPS = (".", "Ġ.")  # of word pieces, and of byte pairs after a blank


class HubReportTower(HubTextEncoder):
    """A published BERT; its first `frozen` layers are not trained.

    `tokens` of its output are the states of ``[BOS]`` and the words, `pooled` is the state of the summary token
    ``[CLS]``. Its tokeniser gets ``[BOS]`` where it has none, and the model an embedding for it.
    """

    def __init__(self, name_or_path: str, frozen: int = 0) -> None:
        super().__init__(name_or_path, MAX_TOKENS)
        model = self._model[0]
        self.tokeniser.add_special_tokens({"bos_token": OPENING})
        model.resize_token_embeddings(max(len(self.tokeniser), self.vocab_size))
        self.vocab_size = model.config.vocab_size
        self.max_tokens = min(MAX_TOKENS, model.config.max_position_embeddings - 1)
        self.special_ids = tuple(self.tokeniser.all_special_ids)
        self.full_stops = find_full_stops(self.tokeniser.get_vocab())
        self.pooler = model.pooler = None  # the summary token's state takes its place
        for layer in model.encoder.layer[:frozen]:
            layer.requires_grad_(False)

    def token_ids(self, texts: Sequence[str], pad_to: int | None = None) -> tuple[Tensor, Tensor]:
        """Return ids and mask of ``[BOS]``, the words and ``[SEP]``, ``(batch, token)`` each."""
        ids, mask = super().token_ids(texts, pad_to)
        return F.pad(ids[:, 1:], (1, 0), value=self.tokeniser.bos_token_id), mask  # in place of the leading [CLS]

    def encode_padded(self, ids: Tensor, mask: Tensor) -> TextOutput:
        """Map ids and mask ``(batch, token)`` to the summary ``(batch, width)`` and ``(batch, token, width)``."""
        ids, readable = with_summary(ids, mask, self.tokeniser.cls_token_id)
        model = self._model[0]
        kind = model.get_input_embeddings().weight.dtype
        bias = torch.zeros(readable.shape, dtype=kind, device=ids.device).masked_fill(~readable, torch.finfo(kind).min)
        positions = positions_of(ids, self.max_tokens)
        output = model(input_ids=ids, attention_mask=bias.unsqueeze(1), position_ids=positions.unsqueeze(0))
        return split_summary(output.last_hidden_state, mask)


class SmallReportTower(SmallTextEncoder):
    """A small transformer learned from the reports, with the outputs of `HubReportTower`.

    The row of the embedding that is reserved for hidden words opens each report, and ``[CLS]`` is the summary token.
    """

    def __init__(self, size: str) -> None:
        super().__init__(**SIZES[size], mask_token=True, max_tokens=MAX_TOKENS + 1)
        self.max_tokens = MAX_TOKENS
        self.opening = self.vocab_size - 1
        self.special_ids = (*self.special_ids, self.opening)

    @property
    def full_stops(self) -> tuple[int, ...]:
        """Return the tokens that end a sentence; none before there is a tokeniser."""
        return find_full_stops(self.tokeniser.get_vocab()) if self.fitted else ()

    def token_ids(self, texts: Sequence[str], pad_to: int | None = None) -> tuple[Tensor, Tensor]:
        """Return ids and mask of the opening and the words, ``(batch, token)`` each."""
        ids, mask = super().token_ids(texts, pad_to)
        return F.pad(ids[:, 1:], (1, 0), value=self.opening), mask

    def encode_padded(self, ids: Tensor, mask: Tensor) -> TextOutput:
        """Map ids and mask ``(batch, token)`` to the summary ``(batch, width)`` and ``(batch, token, width)``."""
        ids, readable = with_summary(ids, mask, CLS)
        x = self.dropout(self.embedding(ids) + self.positions[positions_of(ids, self.max_tokens)])
        for layer in self.layers:
            x = layer(x, readable)
        return split_summary(self.norm(x), mask)


def build_report_tower(text_model: str | None, frozen: int) -> HubReportTower | SmallReportTower | None:
    """Build what it names: hub id, path or package of a BERT, ``"small"``, ``"tiny"`` or None (``"none"``)."""
    if text_model in (None, "none"):
        return None
    return SmallReportTower(text_model) if text_model in SIZES else HubReportTower(text_model, frozen)


def with_summary(ids: Tensor, mask: Tensor, summary: int) -> tuple[Tensor, Tensor]:
    """Append the summary token to ids ``(batch, token)``; also return which token reads which.

    That is ``(batch, token + 1, token + 1)`` bool: each reads itself and the real tokens before it.
    """
    ids, real = F.pad(ids, (0, 1), value=summary), F.pad(mask, (0, 1), value=True)
    earlier = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()
    return ids, earlier & real.unsqueeze(1)


def positions_of(ids: Tensor, max_tokens: int) -> Tensor:
    """Return positions ``(token,)`` from 0 up, and `max_tokens` for the summary token at the end."""
    positions = torch.arange(ids.shape[1], device=ids.device)
    positions[-1] = max_tokens  # where it stands in the release, behind padding that no token reads
    return positions


def split_summary(states: Tensor, mask: Tensor) -> TextOutput:
    """Take the summary token's state off ``(batch, token + 1, width)``."""
    return TextOutput(states[:, -1], states[:, :-1], mask)


def find_full_stops(vocabulary: dict[str, int]) -> tuple[int, ...]:
    """Return the ids of the tokens that end a sentence."""
    return tuple(vocabulary[token] for token in FULL_STOPS if token in vocabulary)
