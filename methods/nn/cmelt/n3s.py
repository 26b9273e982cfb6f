"""N3S: nearest-neighbour negative sampling, which finds the texts least similar to a given one.

C-MELT / D-BETA (Pham et al., ICML 2025) embeds every report, negates the vector and takes one of its nearest
neighbours. Such a negative certainly has another meaning, whereas a random report too often has the same findings.
Each distinct text is searched for once.
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
    """``negatives(texts)`` draws for each text one of the `count` least similar texts of the corpus, never itself.

    The table holds ``(distinct texts, count)`` positions. A text outside the corpus (of a validation split) gets its
    row on its first use.
    """

    def __init__(self, corpus: Sequence[str], embed: Embed, count: int = 64) -> None:
        self.texts = list(dict.fromkeys(corpus))
        self.embed, self.count = embed, count
        self.vectors = self._embed_texts(self.texts)
        self.rows = {text: row for row, text in enumerate(self.texts)}
        own = torch.arange(len(self.texts))
        self.table = torch.cat([self._find_least_similar(self.vectors[rows], rows) for rows in own.split(CHUNK)])

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Return one negative per text; the text itself where the corpus has no other."""
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
        self.table = torch.cat([self.table, self._find_least_similar(self._embed_texts(texts))])

    def _find_least_similar(self, vectors: Tensor, own: Tensor | None = None) -> Tensor:
        """Return the positions in the corpus ``(text, count)`` nearest to the opposite of each vector."""
        similarity = vectors @ self.vectors.T  # (text, corpus)
        if own is not None:
            similarity[torch.arange(len(own)), own] = torch.inf
        count = min(self.count, len(self.texts) - 1)
        return similarity.topk(count, largest=False).indices.int().cpu()

    def _embed_texts(self, texts: Sequence[str]) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.embed(texts[i : i + CHUNK]) for i in range(0, len(texts), CHUNK)])


def load_embedding(name: str) -> Embed:
    """Return an embedding function: ``"hashed"``, or the mean word state of a language model by hub id or path.

    The model is frozen; vectors have length one.
    """
    if name == "hashed":
        return embed_hashed_words
    encoder = HubTextEncoder(
        name, role="the model that finds cmelt's negatives (negative_model)", alternative="'hashed' needs no download"
    ).eval()

    def embed(texts: Sequence[str]) -> Tensor:
        _, states, mask = encoder(texts)
        real = mask.unsqueeze(-1)
        return F.normalize((states * real).sum(1) / real.sum(1), dim=-1)

    return embed


def embed_hashed_words(texts: Sequence[str], dim: int = 512) -> Tensor:
    """Count words and word pairs with random signs in `dim` hash buckets: ``(text, dim)``, of length one.

    This embedding needs no language model and is the same on every machine. Texts without a common word are about
    orthogonal.
    """
    counts = torch.zeros(len(texts), dim)
    for row, text in enumerate(texts):
        words = text.lower().replace(".", " ").replace(",", " ").split() or [""]
        for word in [*words, *map(" ".join, pairwise(words))]:
            digest = zlib.crc32(word.encode())
            counts[row, digest % dim] += 1.0 if digest >> 31 else -1.0
    return F.normalize(counts, dim=-1)
