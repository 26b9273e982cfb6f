"""Clinical F1: do two reports make the same diagnostic statements, and are they those of the recording's labels?

The statements are found by rules that are the same for every method (`statements`). Possibilities count as said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.text.statements import comparable, label_matrix, rules, statement_matrix


@dataclass(frozen=True)
class Agreement:
    """Counts per recording and statement, ``(recording, statement)`` bool: what one side says and the other."""

    said: np.ndarray
    true: np.ndarray
    names: tuple[str, ...]

    def f1(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Micro and macro F1 on resamples: ``(resample, recording)`` counts -> ``(resample,)`` each.

        Macro is the mean over the statements that the true side makes at all in this resample; F1 of 0 / 0 is 0.
        """
        both = weights @ (self.said & self.true).astype(float)
        said, true = weights @ self.said.astype(float), weights @ self.true.astype(float)
        micro = _ratio(2 * both.sum(1), (said + true).sum(1))
        return micro, _ratio(np.where(true > 0, _ratio(2 * both, said + true), 0).sum(1), (true > 0).sum(1))

    def by_statement(self) -> dict[str, dict[str, float | int]]:
        """Precision, recall, F1 and how many recordings truly have it, for each statement."""
        both, said, true = (self.said & self.true).sum(0), self.said.sum(0), self.true.sum(0)
        values = np.stack([_ratio(both, said), _ratio(both, true), _ratio(2 * both, said + true)], 1)
        return {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "n": int(true[i])}
            for i, (name, (p, r, f)) in enumerate(zip(self.names, values, strict=True))
        }


def with_reports(written: Sequence[str], true: Sequence[str]) -> Agreement:
    """All statements, of written against true reports."""
    return Agreement(statement_matrix(written), statement_matrix(true), tuple(s.name for s in rules().statements))


def with_labels(written: Sequence[str], labels: np.ndarray, classes: Sequence[str]) -> Agreement | None:
    """The statements that `classes` such as "rhythm/AFIB" can confirm: reports against labels ``(report, class)``.

    None where there is no such class. PTB-XL alone has them today.
    """
    kept = comparable(classes)
    if not kept.any():
        return None
    names = tuple(s.name for s, keep in zip(rules().statements, kept, strict=True) if keep)
    return Agreement(statement_matrix(written)[:, kept], label_matrix(labels, classes)[:, kept], names)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    below = np.asarray(below, float)
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
