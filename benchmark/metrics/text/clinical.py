"""Clinical F1: do two reports make the same diagnostic statements, and do these agree with the recording's labels?

Statements are found by rules that are the same for every method (`statements`). Possible findings count as statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.text.statements import comparable_statements, label_matrix, load_rules, statement_matrix


@dataclass(frozen=True)
class Agreement:
    """Statements of hypotheses and references per recording, ``(recording, statement)`` bool each."""

    hypotheses: np.ndarray
    references: np.ndarray
    names: tuple[str, ...]

    def f1(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return micro and macro F1 on resamples: ``(resample, recording)`` counts -> ``(resample,)`` each.

        Macro is the mean over the statements that occur among the references of this resample; F1 of 0 / 0 is 0.
        """
        both = weights @ (self.hypotheses & self.references).astype(float)
        predicted, actual = weights @ self.hypotheses.astype(float), weights @ self.references.astype(float)
        micro = _ratio(2 * both.sum(1), (predicted + actual).sum(1))
        return micro, _ratio(np.where(actual > 0, _ratio(2 * both, predicted + actual), 0).sum(1), (actual > 0).sum(1))

    def by_statement(self) -> dict[str, dict[str, float | int]]:
        """Return precision, recall, F1 and the number of references with it, for each statement."""
        both = (self.hypotheses & self.references).sum(0)
        predicted, actual = self.hypotheses.sum(0), self.references.sum(0)
        values = np.stack([_ratio(both, predicted), _ratio(both, actual), _ratio(2 * both, predicted + actual)], 1)
        return {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "n": int(actual[i])}
            for i, (name, (p, r, f)) in enumerate(zip(self.names, values, strict=True))
        }


def compare_with_reports(hypotheses: Sequence[str], references: Sequence[str]) -> Agreement:
    """Compare all statements of hypotheses with those of reference reports."""
    names = tuple(s.name for s in load_rules().statements)
    return Agreement(statement_matrix(hypotheses), statement_matrix(references), names)


def compare_with_labels(hypotheses: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> Agreement | None:
    """Compare the statements of reports with labels ``(report, class)`` of classes such as "rhythm/AFIB".

    Only statements that the classes confirm are compared; returns None where they confirm none. Today only PTB-XL has
    such classes.
    """
    usable = comparable_statements(classes)
    if not usable.any():
        return None
    names = tuple(s.name for s, keep in zip(load_rules().statements, usable, strict=True) if keep)
    return Agreement(statement_matrix(hypotheses)[:, usable], label_matrix(labels, classes)[:, usable], names)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    below = np.asarray(below, float)
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
