"""The interface of text encoders: they map texts to a `TextOutput`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from methods.nn.length_groups import apply_by_length
from methods.nn.transfer import hand_over


class TextOutput(NamedTuple):
    """The output of an encoder for a batch of texts; `mask` is False at padding."""

    pooled: Tensor  # (batch, width)
    tokens: Tensor  # (batch, token, width)
    mask: Tensor  # (batch, token), bool


class TextEncoder(nn.Module, ABC):
    """``encoder(texts) -> TextOutput``; texts are lower-cased and cut at `max_tokens`.

    Masked language modelling works between `tokenise` and `encode`: `mask_id` replaces a hidden token (None: there is
    no such token), `special_ids` are never hidden, and ids are below `vocab_size`. An encoder without `words` gives
    `pooled` vectors only, which never change.
    """

    words: ClassVar[bool] = True
    width: int
    max_tokens: int
    vocab_size: int
    mask_id: int | None
    special_ids: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        """Return the device of the outputs."""
        return next(self.parameters()).device

    def fit(self, reports: Sequence[str]) -> None:
        """Receive the training reports once, before the first step."""

    def forward(self, texts: Sequence[str], pad_to: int | None = None) -> TextOutput:
        """Encode texts, padded to the longest of them or to `pad_to` tokens, whose padding is then encoded too."""
        ids, mask = self.tokenise(texts, pad_to)
        return self.encode(ids, mask) if pad_to is None else self.encode_padded(ids, mask)

    def tokenise(self, texts: Sequence[str], pad_to: int | None = None) -> tuple[Tensor, Tensor]:
        """Return what `token_ids` returns, on the device of the encoder."""
        ids, mask = self.token_ids(texts, pad_to)
        return hand_over(ids, self.device), hand_over(mask, self.device)

    @abstractmethod
    def token_ids(self, texts: Sequence[str], pad_to: int | None = None) -> tuple[Tensor, Tensor]:
        """Return ids ``(batch, token)`` and mask ``(batch, token)``, bool, False at padding, on the CPU."""

    def encode(self, ids: Tensor, mask: Tensor) -> TextOutput:
        """Map ids and mask ``(batch, token)`` to pooled ``(batch, width)`` and tokens ``(batch, token, width)``.

        Texts of similar length are encoded together, so that little padding is; the states of padding mean nothing.
        """
        pooled, tokens = apply_by_length(
            lambda mask, ids: self.encode_padded(ids, mask)[:2],
            mask,
            ids,
            by_token=(False, True),
            limit=self.max_tokens,
        )
        return TextOutput(pooled, tokens, mask)

    @abstractmethod
    def encode_padded(self, ids: Tensor, mask: Tensor) -> TextOutput:
        """Return the output of `encode` for one dense batch, in which padding is encoded like text but never read."""
