"""Label savings: the share of labels at which a row reaches the supervised one, which has all of them.

Between two label budgets a row's curve is a line over the logarithm of the share. Its first crossing counts. A row that
is above from the smallest budget on has "at most" that share; a row that never gets there has "more than all".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmark.leaderboard.resampled_rows import resampled_values
from benchmark.leaderboard.summary import SIGNAL, Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard

FIELD = "fraction"
NEVER = math.inf


@dataclass(frozen=True)
class Saving:
    """The share of labels of a row on a label set; `smallest` is the smallest budget, where "at most" begins."""

    row: str
    dataset: str
    label_set: str
    share: float  # infinite: not with all labels
    interval: tuple[float, float] | None
    smallest: float

    @property
    def text(self) -> str:
        """Return ``12 % [7 %, 31 %]``, ``≤ 1 %`` or ``> 100 %``."""
        text = self._percent(self.share)
        if self.interval is None:
            return text
        return f"{text} [{self._percent(self.interval[0])}, {self._percent(self.interval[1])}]"

    def _percent(self, share: float) -> str:
        if share == NEVER:
            return "> 100 %"
        return f"≤ {share * 100:.3g} %" if share <= self.smallest else f"{share * 100:.2g} %"


@dataclass(frozen=True)
class Savings:
    """Label savings against `goal`, the first row that is trained end to end."""

    task: str
    goal: str
    savings: list[Saving]


def label_savings(board: Leaderboard) -> list[Savings]:
    """Return the savings of each task with label budgets and a row that is trained end to end on all labels."""
    results: dict[tuple[str, str], list[Saving]] = {}
    for table in board.tables:
        curves = {row: curve for row in table.all_rows if (curve := _curve(table, row))}
        goal = next((row for row, curve in curves.items() if _is_goal(curve)), None)
        if goal is None:
            continue
        for row, curve in curves.items():
            if len(curve) > 1 and not _is_goal(curve):
                saving = _saving(table, row, curve, curves[goal][1.0])
                results.setdefault((table.task, goal), []).append(saving)
    return [Savings(task, goal, savings) for (task, goal), savings in results.items()]


def _curve(table: Table, row: str) -> dict[float, Entry]:
    """Return a row's complete entries by label budget, the smallest first; {} where several columns share a budget."""
    entries = [entry for (name, _), entry in table.body.items() if name == row and FIELD in entry.variant]
    usable = [entry for entry in entries if entry.complete and SIGNAL not in entry.variant]
    curve = {float(entry.variant[FIELD]): entry for entry in usable}
    return dict(sorted(curve.items())) if len(curve) == len(usable) else {}


def _is_goal(curve: dict[float, Entry]) -> bool:
    return 1.0 in curve and any(result.trained_end_to_end for result in curve[1.0].results)


def _saving(table: Table, row: str, curve: dict[float, Entry], goal: Entry) -> Saving:
    sign = 1 if goal.higher_is_better else -1
    shares = np.array(list(curve))
    ahead = np.array([[sign * (entry.mean - goal.mean)] for entry in curve.values()])
    draws = _draws([*curve.values(), goal])
    bounds = None
    if draws is not None:
        over_resamples = crossings(shares, sign * (draws[:-1] - draws[-1]))
        low, high = np.quantile(over_resamples, [0.025, 0.975], method="nearest")  # between two values may lie infinity
        bounds = (float(low), float(high))
    share = float(crossings(shares, ahead)[0])
    return Saving(row, table.dataset, table.label_set, share, bounds, float(shares[0]))


def _draws(entries: list[Entry]) -> np.ndarray | None:
    """Return numbers ``(entry, resample)``; None where an entry keeps no resamples, or other ones."""
    draws = [draw for entry in entries if (draw := resampled_values(entry)) is not None]
    alike = len({entry.results[0].resampling for entry in entries}) == 1
    return np.stack(draws) if alike and len(draws) == len(entries) and len(set(map(len, draws))) == 1 else None


def crossings(shares: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Return the share at which each curve first reaches 0: ``(F,), (F, n) -> (n,)``.

    `ahead` is by how much a row is better than its goal at each of the rising `shares`. Infinite where it never is.
    """
    reached = ahead >= 0
    first = reached.argmax(axis=0)
    before = np.maximum(first - 1, 0)
    column = np.arange(ahead.shape[1])
    below, above = ahead[before, column], ahead[first, column]
    weight = np.where(first > 0, -below / np.where(first > 0, above - below, 1), 1.0)
    logs = np.log(shares)
    share = np.where(first > 0, np.exp(logs[before] + weight * (logs[first] - logs[before])), shares[0])
    return np.where(reached.any(axis=0), share, NEVER)
