"""Embeddings of texts that a method was asked for already, for the cells of a group.

Each cell asks for its prompts anew: few-shot for every number of examples and every seed, retrieval for all reports of
the test split under every signal condition. Only a call with the same texts in the same order is answered from memory,
so that a cell gets the very numbers that it would have computed alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.api import AlignedMethod

MOST_NUMBERS = 1 << 26  # kept: 256 MB of float32, the embeddings of 130,000 texts of 512 numbers


def remember_texts(method: AlignedMethod) -> AlignedMethod:
    """Return `method`, whose ``text_embeddings`` from now on computes equal calls once; its weights must not change."""
    vars(method)["text_embeddings"] = _Memory(method.text_embeddings)
    return method


class _Memory:
    """The ``text_embeddings`` of a method, in the place of the method's own."""

    def __init__(self, compute: Callable[[Sequence[str]], Tensor]) -> None:
        self._compute = compute
        self._vectors: dict[tuple[str, ...], Tensor] = {}
        self._size = 0

    def __call__(self, texts: Sequence[str]) -> Tensor:
        if torch.is_grad_enabled():  # the result may be part of a graph
            return self._compute(texts)
        key = tuple(texts)
        if key not in self._vectors:
            self._keep(key, self._compute(texts))
        return self._vectors[key].clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> _Memory:
        return _Memory(copy.deepcopy(self._compute, memo))  # a copy of the method may change, so it remembers nothing

    def _keep(self, key: tuple[str, ...], vectors: Tensor) -> None:
        """Keep the vectors; where they are too many, those asked for first are forgotten."""
        self._vectors[key] = vectors
        self._size += vectors.numel()
        while self._size > MOST_NUMBERS and len(self._vectors) > 1:
            self._size -= self._vectors.pop(next(iter(self._vectors))).numel()
