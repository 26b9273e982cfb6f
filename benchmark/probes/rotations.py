"""Rotations over a dataset's ten folds: which folds are learnt from, which one chooses, and which one is predicted.

The fold before the predicted one chooses, the other eight are learnt from. So a fold is predicted by the same probe in
both scopes: "held_out" predicts folds 9 and 10, on which no encoder of this project was trained, and "all" every fold.
"""

from __future__ import annotations

from benchmark.api import Rotation
from benchmark.errors import UsageError, did_you_mean

FOLDS = 10
SCOPES = {"held_out": (9, 10), "all": tuple(range(1, FOLDS + 1))}


def rotations_of(scope: str) -> tuple[Rotation, ...]:
    """Return one rotation for each predicted fold of a scope; raise `UsageError` for an unknown scope."""
    if scope not in SCOPES:
        raise UsageError(f"folds is {scope!r}{did_you_mean(scope, SCOPES)}, it must be one of {', '.join(SCOPES)}")
    return tuple(map(_rotation, SCOPES[scope]))


def _rotation(fold: int) -> Rotation:
    before = (fold - 2) % FOLDS + 1
    rest = tuple(other for other in range(1, FOLDS + 1) if other not in (fold, before))
    return Rotation(rest, (before,), (fold,))
