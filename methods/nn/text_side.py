"""The text side of a dual encoder: a language model, and a projector into the space shared with recordings.

A mix-in for methods (MERL, DERI): its parameters are ``lm_model.*`` and ``proj_t.*`` as in their checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from methods.nn.text import TextEncoder, TextOutput, text_encoder
from methods.nn.text_cache import TextCache

BERT_BASE = 768  # channels of MedCPT, for which the projector is built without a text model


class NoTextModel(ValueError):  # noqa: N818 - it reads as what it says
    """A method without a text model was asked to read."""


class TextSide(nn.Module):
    """Call `add_text` from the constructor; `read` gives tokens, `text_embeddings` vectors in the shared space."""

    lm_model: TextEncoder | None
    proj_t: nn.Sequential
    freeze_text: bool
    text_dropout_in_train: bool
    text_cache: TextCache | None

    def add_text(
        self,
        text_model: str | None,
        embed_dim: int,
        freeze_text: bool | None = None,
        text_dropout_in_train: bool = True,
        cache: TextCache | None = None,
    ) -> int:
        """Build both; return the text model's width.

        `text_model` is a hub id or path, ``"small"`` or None (``"none"``); `freeze_text` None freezes a
        published model and trains a small one. A frozen model keeps its dropout in training only with
        `text_dropout_in_train`, and may have a `cache` only without. Raises `TextModelMissing` or ValueError.
        """
        self.lm_model = text_encoder(text_model)
        self.freeze_text = text_model != "small" if freeze_text is None else freeze_text
        self.text_dropout_in_train = text_dropout_in_train
        self.text_cache = cache
        if cache is not None and not (self.lm_model and self.freeze_text and not text_dropout_in_train):
            raise ValueError(
                "cache_text = true needs a text model whose output never changes: set freeze_text = true and "
                "text_dropout_in_train = false"
            )
        width = self.lm_model.width if self.lm_model else BERT_BASE
        self.proj_t = nn.Sequential(nn.Linear(width, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim))
        if self.lm_model and self.freeze_text:
            self.lm_model.requires_grad_(False)
        self.register_load_state_dict_post_hook(_forget)
        return width

    @property
    def reads(self) -> bool:
        """Whether there is a text model."""
        return getattr(self, "lm_model", None) is not None

    def read(self, texts: Sequence[str], pad_to: int | None = None) -> TextOutput:
        """What the language model says of each text, without gradients where it is frozen."""
        if not self.reads:
            raise NoTextModel(
                f"this {type(self).__name__} has no text model (text_model = 'none' or parts = 'encoder'), so it "
                "gives no text embeddings and learns no pairs: set text_model to 'small', a hub id or a path"
            )
        assert self.lm_model is not None
        if self.text_cache is not None:
            return self.text_cache.read(self.lm_model, texts)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_text):
            return self.lm_model(texts, pad_to)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Reports or prompts -> ``(len(texts), embed_dim)``, not normalised."""
        return self.project_text(self.read(texts).pooled)

    def project_text(self, output: Tensor) -> Tensor:
        """The text model's output ``(..., text width)`` -> ``(..., embed_dim)``."""
        return self.proj_t(output)

    def start_pretraining(self, reports: Sequence[str]) -> None:
        """Learn the small text encoder's tokeniser, unless weights brought one."""
        if not self.reads:
            raise NoTextModel(
                "without a text model there is nothing to learn from: set text_model to 'small', a hub id or a path"
            )
        assert self.lm_model is not None
        if not getattr(self.lm_model, "fitted", True):
            self.lm_model.fit(reports)

    def train(self, mode: bool = True) -> Self:
        """As every module; a frozen text model keeps its dropout only with `text_dropout_in_train`."""
        super().train(mode)
        if self.reads and self.freeze_text:
            self.lm_model.train(mode and self.text_dropout_in_train)
        return self


def _forget(module: Any, _: Any) -> None:
    """Other weights, other outputs."""
    if module.text_cache is not None:
        module.text_cache.clear()
