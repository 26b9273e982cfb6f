"""The text side of a dual encoder: a language model, and a projector into the space shared with recordings.

A mix-in for methods (MERL, DERI, ECG-CLIP): its parameters are ``lm_model.*`` and ``proj_t.*``, as in the checkpoints
of MERL and DERI.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from benchmark.errors import LeftOut
from methods.nn.length_groups import distinct
from methods.nn.text import SIZES, TextEncoder, TextOutput, build_text_encoder
from methods.nn.text_cache import TextCache
from methods.nn.transfer import hand_over

BERT_BASE = 768  # channels of MedCPT: the projector's input size where there is no text model


class NoTextModel(LeftOut):
    """Text was given to a method that has no text model."""


class TextSide(nn.Module):
    """A language model and its projector; call `add_text_model` from the constructor.

    `encode_texts` returns the language model's output, `text_embeddings` vectors in the shared space.
    """

    lm_model: TextEncoder | None
    proj_t: nn.Sequential
    freeze_text: bool
    text_dropout_in_train: bool
    text_cache: TextCache | None

    def add_text_model(
        self,
        text_model: str | None,
        embed_dim: int,
        freeze_text: bool | None = None,
        text_dropout_in_train: bool = True,
        cache: TextCache | None = None,
        words: bool = False,
    ) -> int:
        """Build the language model and the projector; return the width of the language model.

        `text_model` is a hub id or path, ``"package:NAME"``, ``"small"`` or None (``"none"``). `freeze_text` None
        freezes a published model and trains a small one. A frozen model uses dropout in training only with
        `text_dropout_in_train`; only without it may it have a `cache`. `words` says that the method reads the states of
        words; vectors alone never change and are always cached. Raises `TextModelMissing` or ValueError.
        """
        self.lm_model = build_text_encoder(text_model, words=words)
        if self.lm_model is not None and not self.lm_model.words:
            text_dropout_in_train, cache = False, TextCache(tokens=False)
            if freeze_text is False:
                raise ValueError(f"text_model = {text_model!r} cannot be trained: leave out freeze_text = false")
        self.freeze_text = text_model not in SIZES if freeze_text is None else freeze_text
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
        self.register_load_state_dict_post_hook(_clear_cache)
        return width

    @property
    def has_text_model(self) -> bool:
        """Whether there is a text model."""
        return getattr(self, "lm_model", None) is not None

    def encode_texts(self, texts: Sequence[str], pad_to: int | None = None) -> TextOutput:
        """Return the language model's output for each text, without gradients where it is frozen.

        Raises `NoTextModel` where there is no language model.
        """
        if not self.has_text_model:
            raise NoTextModel(
                f"this {type(self).__name__} has no text model (text_model = 'none' or parts = 'encoder'), so it "
                "gives no text embeddings and learns no pairs: set text_model to 'small', a hub id or a path"
            )
        assert self.lm_model is not None
        if self.text_cache is not None:
            return self.text_cache.encode(self.lm_model, texts)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_text):
            return self.lm_model(texts, pad_to)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Map reports or prompts to ``(len(texts), embed_dim)``, not normalised; each different text is read once."""
        different_texts, index = distinct(texts)
        embeddings = self.project_text(self.encode_texts(different_texts).pooled)
        return embeddings[hand_over(index, embeddings.device)]

    def project_text(self, output: Tensor) -> Tensor:
        """Project the text model's output ``(..., text width)`` to ``(..., embed_dim)``."""
        return self.proj_t(output)

    def start_pretraining(self, reports: Sequence[str]) -> None:
        """Learn the small text encoder's tokeniser, unless weights brought one."""
        if not self.has_text_model:
            raise NoTextModel(
                "without a text model there is nothing to learn from: set text_model to 'small', a hub id or a path"
            )
        assert self.lm_model is not None
        if not getattr(self.lm_model, "fitted", True):
            self.lm_model.fit(reports)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every module; a frozen text model uses dropout only with `text_dropout_in_train`."""
        super().train(mode)
        if self.has_text_model and self.freeze_text and self.lm_model is not None:
            self.lm_model.train(mode and self.text_dropout_in_train)
        return self


def _clear_cache(module: Any, _: Any) -> None:
    """Clear the cache of a module whose weights have just changed."""
    if module.text_cache is not None:
        module.text_cache.clear()
