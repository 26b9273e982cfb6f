"""Figures, one per file: `draw(board)` returns figures by name, or a sentence on why there are none.

All share one style (`style.py`): a palette for colour-blind readers and a marker per method, so that methods can be
told apart in grey prints too. Vector and bitmap files carry no date, so the same store gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.leaderboard.tables import Leaderboard

    Draw = Callable[[Leaderboard], "dict[str, Figure] | str"]

NAMES = (
    *("label_efficiency", "per_class", "rank_summary", "zero_shot_against_probe", "calibration", "loss_curves"),
    *("robustness", "cost", "pretraining_curves"),
)


def draw_all(board: Leaderboard) -> tuple[dict[str, Figure], dict[str, str]]:
    """Return all figures that the records allow, and for the others the reason, by name."""
    figures: dict[str, Figure] = {}
    reasons: dict[str, str] = {}
    for name in NAMES:
        draw: Draw = import_module(f"{__name__}.{name}").draw
        drawing = draw(board)
        if isinstance(drawing, str):
            reasons[name] = drawing
        else:
            figures |= drawing
    return figures, reasons
