"""N3S: nearest-neighbour negative sampling, the texts least like a given one, found once per unique text.

C-MELT / D-BETA (Pham et al., ICML 2025) embeds every report, turns the vector round and takes one of its nearest
neighbours: a negative that certainly says something else, where a random report is too often the same finding.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.nn.text import HubTextEncoder

Embed = Callable[[Sequence[str]], Tensor]  # texts -> (text, dim), of length one
CHUNK = 1024  # texts embedded or compared at a time


class HardNegatives:
    """``far(texts)`` draws for each text one of the `count` least similar texts of the corpus, never itself.

    The table holds ``(unique texts, count)`` positions; a text outside the corpus (of a validation split) gets its
    row when it is first seen.
    """

    def __init__(self, corpus: Sequence[str], embed: Embed, count: int = 64) -> None:
        self.texts = list(dict.fromkeys(corpus))
        self.embed, self.count = embed, count
        self.vectors = self._embedded(self.texts)
        self.rows = {text: row for row, text in enumerate(self.texts)}
        own = torch.arange(len(self.texts))
        self.table = torch.cat([self._farthest(self.vectors[rows], rows) for rows in own.split(CHUNK)])

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """One negative per text; the text itself where the corpus has no other."""
        self._add([text for text in dict.fromkeys(texts) if text not in self.rows])
        choice = torch.randint(max(1, self.table.shape[1]), (len(texts),)).tolist()
        if not self.table.shape[1]:
            return list(texts)
        rows = [self.rows[text] for text in texts]
        return [self.texts[self.table[row, column]] for row, column in zip(rows, choice, strict=True)]

    def _add(self, texts: list[str]) -> None:
        if not texts:
            return
        self.rows.update({text: len(self.table) + i for i, text in enumerate(texts)})
        self.table = torch.cat([self.table, self._farthest(self._embedded(texts))])

    def _farthest(self, vectors: Tensor, own: Tensor | None = None) -> Tensor:
        """Positions in the corpus ``(text, count)`` of what is nearest to the opposite of each vector."""
        similarity = vectors @ self.vectors.T  # (text, corpus)
        if own is not None:
            similarity[torch.arange(len(own)), own] = torch.inf
        count = min(self.count, len(self.texts) - 1)
        return similarity.topk(count, largest=False).indices.int().cpu()

    def _embedded(self, texts: Sequence[str]) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.embed(texts[i : i + CHUNK]) for i in range(0, len(texts), CHUNK)])


def embedding(name: str) -> Embed:
    """``"hashed"``, or a hub id or path: the mean over the words of that language model, frozen, of length one."""
    if name == "hashed":
        return hashed_words
    encoder = HubTextEncoder(name).eval()

    def embed(texts: Sequence[str]) -> Tensor:
        _, states, mask = encoder(texts)
        real = mask.unsqueeze(-1)
        return F.normalize((states * real).sum(1) / real.sum(1), dim=-1)

    return embed


def hashed_words(texts: Sequence[str], dim: int = 512) -> Tensor:
    """Words and word pairs counted with random signs in `dim` places: ``(text, dim)``, of length one.

    An embedding that needs no language model and is the same on every machine; texts without a word in common
    are about orthogonal.
    """
    counts = torch.zeros(len(texts), dim)
    for row, text in enumerate(texts):
        words = text.lower().replace(".", " ").replace(",", " ").split() or [""]
        for word in [*words, *map(" ".join, pairwise(words))]:
            digest = zlib.crc32(word.encode())
            counts[row, digest % dim] += 1.0 if digest >> 31 else -1.0
    return F.normalize(counts, dim=-1)
