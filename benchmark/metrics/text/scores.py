"""BLEU-1..4, ROUGE-L, METEOR and CIDEr of generated reports, as captioning papers compute them (pycocoevalcap).

All are corpus scores with one reference per text. The contribution of each text is kept, so that a bootstrap over
patients resamples the corpus score itself and not a mean of sentence scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmark.data.reports.report_texts import report_key
from benchmark.metrics.text.java import MISSING, java_path, java_version
from benchmark.metrics.text.meteor import VERSION, meteor, meteor_counts
from benchmark.metrics.text.tokens import ptb_tokens, split_words

ORDER = 4  # n-grams of BLEU
SMALL, TINY = 1e-9, 1e-15  # of pycocoevalcap's BLEU, against division by zero


@dataclass
class TextScores:
    """Scores of a corpus of texts, with all that is needed to score any resample of it.

    `metrics` are bleu_1 to bleu_4, rouge_l, cider, meteor (with Java) and three that describe the texts: length_ratio,
    distinct (share of different texts), exact (share equal to the reference). `per_text` holds arrays ``(text,)``.
    """

    metrics: dict[str, float]
    per_text: dict[str, np.ndarray]
    signature: dict[str, Any]  # packages, versions, tokeniser, Java: numbers are comparable only where these are equal
    empty: int  # hypotheses without a word; they score 0 and are never dropped
    notes: list[str] = field(default_factory=list)
    bleu_counts: np.ndarray = field(default_factory=lambda: np.zeros((0, 2 * ORDER + 2)))
    meteor_counts: np.ndarray | None = None

    def resample(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return each metric on resamples: ``(resample, text)`` counts of each text -> ``(resample,)`` per metric.

        CIDEr's document frequencies remain those of the whole corpus.
        """
        totals = weights.sum(1)
        metrics = {name: weights @ values / totals for name, values in self.per_text.items() if name != "meteor"}
        bleus = bleu(weights @ self.bleu_counts)
        metrics |= {f"bleu_{n + 1}": bleus[:, n] for n in range(ORDER)}
        if self.meteor_counts is not None:
            metrics["meteor"] = meteor(weights @ self.meteor_counts)
        return metrics


def score_texts(hypotheses: Sequence[str], references: Sequence[str], use_java: bool = True) -> TextScores:
    """Score each hypothesis against its reference. Raises BenchmarkError when a Java process fails.

    Without Java (or with `use_java` False) there is no METEOR and this project's own splitter makes the tokens; the
    signature and a note say so.
    """
    if len(hypotheses) != len(references) or not len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references; there must be one for each")
    with_java = use_java and java_path() is not None
    tokenise = ptb_tokens if with_java else split_words
    tokens = tokenise([*hypotheses, *references])
    words, reference_words = tokens[: len(hypotheses)], tokens[len(hypotheses) :]
    counts = ngram_counts(words, reference_words)
    per_text = {"rouge_l": rouge_l(words, reference_words), "cider": _cider(words, reference_words)}
    metrics = {f"bleu_{n + 1}": float(value) for n, value in enumerate(bleu(counts.sum(0)))}
    metrics |= {name: float(values.mean()) for name, values in per_text.items()}
    stats = meteor_counts(words, reference_words) if with_java else None
    if stats is not None:
        metrics["meteor"], per_text["meteor"] = float(meteor(stats.sum(0))), meteor(stats)
    metrics |= _description(hypotheses, references, counts)
    empty = sum(not text for text in words)
    notes = [] if with_java or not use_java else [MISSING]
    notes += [f"{empty} of {len(words)} written reports have no word; they score 0"] if empty else []
    return TextScores(metrics, per_text, _signature(with_java), empty, notes, counts, stats)


def bleu(counts: np.ndarray) -> np.ndarray:
    """Return BLEU-1..4 (Papineni et al., ACL 2002) of (sums of) counts: ``(..., 10)`` -> ``(..., 4)``."""
    matches, totals = counts[..., :ORDER], counts[..., ORDER : 2 * ORDER]
    length, reference_length = counts[..., -2:-1], counts[..., -1:]
    logs = np.log((matches + TINY) / (totals + SMALL))
    means = np.exp(np.cumsum(logs, axis=-1) / np.arange(1, ORDER + 1))
    ratio = (length + TINY) / (reference_length + SMALL)
    return means * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)


def ngram_counts(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return the matching and all n-grams of each order, and both lengths: ``(text, 10)``."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=ORDER)
    for text, reference in zip(hypotheses, references, strict=True):
        scorer += (text, [reference])
    return np.array([[*c["correct"], *c["guess"], c["testlen"], c["reflen"][0]] for c in scorer.ctest], float)


def rouge_l(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return ROUGE-L (Lin, 2004), F with beta 1.2: ``(text,)``."""
    from pycocoevalcap.rouge.rouge import Rouge

    score = Rouge().calc_score
    return np.array(
        [
            score([text], [reference]) if text and reference else 0.0
            for text, reference in zip(hypotheses, references, strict=True)
        ]
    )


def _cider(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return CIDEr (Vedantam et al., CVPR 2015), 0 to 10: ``(text,)``."""
    from pycocoevalcap.cider.cider import Cider

    texts, truths = ({i: [text] for i, text in enumerate(side)} for side in (hypotheses, references))
    _, scores = Cider().compute_score(truths, texts)
    return np.asarray(scores, float)


def _description(hypotheses: Sequence[str], references: Sequence[str], counts: np.ndarray) -> dict[str, float]:
    keys = [report_key(text) for text in hypotheses]
    equal = [key == report_key(reference) for key, reference in zip(keys, references, strict=True)]
    length, true_length = counts[:, -2:].sum(0)
    return {
        "length_ratio": float(length / true_length) if true_length else 0.0,
        "distinct": len(set(keys)) / len(keys),
        "exact": float(np.mean(equal)),
    }


def _signature(with_java: bool) -> dict[str, Any]:
    return {
        "package": f"pycocoevalcap {version('pycocoevalcap')}",
        "tokeniser": "PTBTokenizer, CoreNLP 3.4.1" if with_java else "ecgarena split_words",
        "meteor": f"METEOR {VERSION}, en, rank" if with_java else None,
        "java": java_version() if with_java else None,
    }
