"""Every metric of reports for single pairs of texts, so that one can ask how a metric takes a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmark.metrics.text.embedding import METRIC, Embedder, embedding_scores
from benchmark.metrics.text.java import MISSING, java_path
from benchmark.metrics.text.meteor import meteor, meteor_counts
from benchmark.metrics.text.scores import bleu, ngram_counts, rouge_l
from benchmark.metrics.text.statements import statement_matrix
from benchmark.metrics.text.tokens import ptb_tokens, split_words

METRICS = {
    "bleu_1": "BLEU-1",
    "bleu_4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "cider": "CIDEr",
    "clinical_f1": "F1 of findings",
    METRIC: "embedding",
}
Pair = tuple[str, str]  # hypothesis and reference


class Measures:
    """Scores of pairs, ``metric -> (pair,)``; those without Java or without the language model are left out and named.

    `corpus` are the reports whose words weigh CIDEr, `centre` the mean vector of the training reports.
    """

    def __init__(
        self, corpus: Sequence[str], embedder: Embedder | None, centre: np.ndarray | None, use_java: bool = True
    ) -> None:
        self.embedder, self.centre = embedder, centre
        self.with_java = use_java and java_path() is not None
        self._tokenise: Callable[[Sequence[str]], list[str]] = ptb_tokens if self.with_java else split_words
        self._corpus = [text for text in self._tokenise(list(corpus)) if text]
        self.notes = [] if self.with_java or not use_java else [MISSING]

    def score(self, pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
        """Score each pair; a score does not depend on the other pairs."""
        hypotheses, references = ([pair[side] for pair in pairs] for side in (0, 1))
        tokens = self._tokenise([*hypotheses, *references])
        words, true_words = tokens[: len(pairs)], tokens[len(pairs) :]
        bleus = bleu(ngram_counts(words, true_words))
        scores = {"bleu_1": bleus[:, 0], "bleu_4": bleus[:, 3], "rouge_l": rouge_l(words, true_words)}
        if self.with_java:
            scores["meteor"] = meteor(meteor_counts(words, true_words))
        scores["cider"] = cider_by_corpus(words, true_words, self._corpus)
        scores["clinical_f1"] = statement_f1(hypotheses, references)
        if self.embedder is not None and self.centre is not None:
            scores[METRIC] = embedding_scores(self.embedder, hypotheses, references, self.centre)
        return scores


def cider_by_corpus(hypotheses: Sequence[str], references: Sequence[str], corpus: Sequence[str]) -> np.ndarray:
    """Return CIDEr of each pair with the document frequencies of `corpus` alone: ``(pair,)``.

    pycocoevalcap takes them from the references at hand, so that the same pair would score otherwise among others. Its
    count of documents is the length of its list of references; the corpus fills that list up.
    """
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    documents = CiderScorer()
    for text in corpus:
        documents += (text, [text])
    documents.compute_doc_freq()
    scores: list[float] = []
    for start in range(0, len(hypotheses), len(corpus)):
        part = slice(start, start + len(corpus))
        scorer = CiderScorer()
        for text, reference in zip(hypotheses[part], references[part], strict=True):
            scorer += (text, [reference])
        scorer.crefs += documents.crefs[len(scorer.crefs) :]
        scorer.document_frequency = documents.document_frequency
        scores += scorer.compute_cider()
    return np.array(scores, float)


def statement_f1(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return the F1 of the statements of each pair, ``(pair,)``; two texts without any agree (1)."""
    statements, true = statement_matrix(hypotheses), statement_matrix(references)
    both, total = (statements & true).sum(1), statements.sum(1) + true.sum(1)
    return np.divide(2.0 * both, total, out=np.ones(len(total)), where=total > 0)
