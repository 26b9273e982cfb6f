"""N3S: nearest-neighbour negative sampling, which finds the texts least similar to a given one.

C-MELT / D-BETA (Pham et al., ICML 2025) embeds every report, negates the vector and takes one of its nearest
neighbours. Such a negative certainly has another meaning, whereas a random report too often has the same findings.
Each distinct text is searched for once.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.nn.text import HubTextEncoder, TextEncoder, gives_vectors_only
from methods.nn.text_vectors import PackagedVectors

Embed = Callable[[Sequence[str]], Tensor]  # texts -> (text, dim), of length one
TIE_BREAK = 1e-5
CHUNK = 1024  # texts embedded or compared at a time


class HardNegatives:
    """``negatives(texts)`` draws for each text one of the `count` least similar texts of the corpus, never itself.

    With `by_frequency` a candidate is drawn as often as it occurs in the corpus; otherwise all are equally likely.
    A `count` of 0 makes every other text a candidate. The table holds ``(distinct texts, count)`` positions. A text
    outside the corpus (of a validation split) gets its row on its first use.
    """

    def __init__(self, corpus: Sequence[str], embed: Embed, count: int = 64, by_frequency: bool = False) -> None:
        occurrences = Counter(corpus)
        self.texts = list(occurrences)
        self.weights = torch.tensor([n if by_frequency else 1 for n in occurrences.values()], dtype=torch.float64)
        self.embed, self.count, self.by_frequency = embed, count, by_frequency
        self.rows = {text: row for row, text in enumerate(self.texts)}
        if not count:
            return
        self.vectors = self._embed_texts(self.texts)
        # without signs, most texts are tied at 0, and the same few would be negatives of all
        self.tied, self.tie_breaker = bool((self.vectors >= 0).all()), torch.Generator().manual_seed(0)
        own = torch.arange(len(self.texts))
        self.table = torch.cat([self._find_least_similar(self.vectors[rows], rows) for rows in own.split(CHUNK)])

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Return one negative per text; the text itself where the corpus has no other."""
        if not texts or len(self.texts) < 2:
            return list(texts)
        if not self.count:
            return [self._draw_other(text) for text in texts]
        self._add([text for text in dict.fromkeys(texts) if text not in self.rows])
        candidates = self.table[[self.rows[text] for text in texts]].long()  # (text, count)
        if self.by_frequency:
            columns = torch.multinomial(self.weights[candidates], 1)
        else:
            columns = torch.randint(candidates.shape[1], (len(texts), 1))
        return [self.texts[position] for position in candidates.gather(1, columns)[:, 0].tolist()]

    def _draw_other(self, text: str) -> str:
        """Return any text of the corpus but this one."""
        weights = self.weights
        if (own := self.rows.get(text)) is not None:
            weights = weights.clone()
            weights[own] = 0
        return self.texts[int(torch.multinomial(weights, 1))]

    def _add(self, texts: list[str]) -> None:
        if not texts:
            return
        self.rows.update({text: len(self.table) + i for i, text in enumerate(texts)})
        self.table = torch.cat([self.table, self._find_least_similar(self._embed_texts(texts))])

    def _find_least_similar(self, vectors: Tensor, own: Tensor | None = None) -> Tensor:
        """Return the positions in the corpus ``(text, count)`` nearest to the opposite of each vector."""
        similarity = vectors @ self.vectors.T  # (text, corpus)
        if self.tied:
            similarity += TIE_BREAK * torch.rand(similarity.shape, generator=self.tie_breaker)
        if own is not None:
            similarity[torch.arange(len(own)), own] = torch.inf
        count = min(self.count, len(self.texts) - 1)
        return similarity.topk(count, largest=False).indices.int().cpu()

    def _embed_texts(self, texts: Sequence[str]) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.embed(texts[i : i + CHUNK]) for i in range(0, len(texts), CHUNK)])


def default_negative_model(encoder: TextEncoder | None) -> str:
    """Return the model that embeds reports for N3S; beside one in a folder or package, none of the hub."""
    if not isinstance(encoder, HubTextEncoder):
        return "hashed"
    return encoder.name_or_path if encoder.at_hand else "google/flan-t5-small"


def load_embedding(name: str) -> Embed:
    """Return an embedding function: ``"hashed"``, ``"words"``, or the mean word state of a language model.

    The model is given by hub id, path or package and frozen; vectors have length one.
    """
    if name in WITHOUT_MODEL:
        return WITHOUT_MODEL[name]
    role = "the model that finds cmelt's negatives (negative_model)"
    if gives_vectors_only(name):
        vectors = PackagedVectors(name, role)
        return lambda texts: F.normalize(vectors(texts).pooled, dim=-1)
    encoder = HubTextEncoder(name, role=role, alternative="'words' needs no download").eval()

    def embed(texts: Sequence[str]) -> Tensor:
        _, states, mask = encoder(texts)
        real = mask.unsqueeze(-1)
        return F.normalize((states * real).sum(1) / real.sum(1), dim=-1)

    return embed


def embed_hashed_words(texts: Sequence[str], dim: int = 512) -> Tensor:
    """Count words and word pairs with random signs in `dim` hash buckets: ``(text, dim)``, of length one.

    This embedding needs no language model and is the same on every machine. Two words in one bucket have opposite
    signs half of the time, so two texts may look opposite by chance alone: `embed_words` has no such collisions.
    """
    counts = torch.zeros(len(texts), dim)
    for row, text in enumerate(texts):
        for term in _terms(text):
            digest = zlib.crc32(term.encode())
            counts[row, digest % dim] += 1.0 if digest >> 31 else -1.0
    return F.normalize(counts, dim=-1)


def embed_words(texts: Sequence[str], dim: int = 512) -> Tensor:
    """Count words and word pairs in `dim` hash buckets without signs: ``(text, dim)``, of length one.

    Counts are never negative, so two terms in one bucket cannot cancel, and no two texts look opposite: the least
    similarity is 0, of texts without a common term.
    """
    counts = torch.zeros(len(texts), dim)
    for row, text in enumerate(texts):
        terms = _terms(text)
        counts[row].index_add_(
            0, torch.tensor([zlib.crc32(term.encode()) % dim for term in terms]), torch.ones(len(terms))
        )
    return F.normalize(counts, dim=-1)


def _terms(text: str) -> list[str]:
    """Return the words of a text and its pairs of neighbouring words."""
    words = text.lower().replace(".", " ").replace(",", " ").split() or [""]
    return [*words, *map(" ".join, pairwise(words))]


WITHOUT_MODEL: dict[str, Embed] = {"hashed": embed_hashed_words, "words": embed_words}
