"""Label savings: the label fraction at which a row is as good as the supervised row, which has all labels.

Between two fractions the score is interpolated over the logarithm of the fraction, and the first crossing counts. A row
that is better from the smallest fraction on has "at most" that fraction; a row that never is has "more than all". A row
without a number at some fraction has no saving: "more than all" would only mean that a cell is missing.
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
ALMOST_ALL = 0.995  # from here on two digits would print 1e+02


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
        if share <= self.smallest:
            return f"≤ {share * 100:.3g} %"
        return f"{share * 100:.{2 if share < ALMOST_ALL else 3}g} %"


@dataclass(frozen=True)
class Savings:
    """Label savings against `goal`, the first row that is trained end to end, and the rows that have none somewhere."""

    task: str
    goal: str
    savings: list[Saving]
    left_out: list[str]


def label_savings(board: Leaderboard) -> list[Savings]:
    """Return the savings of each task with label budgets and a row that is trained end to end on all labels.

    Where all other rows lack a budget, there are none, and these rows are left out.
    """
    results: dict[tuple[str, str], Savings] = {}
    for table in board.tables:
        curves = {row: curve for row in table.all_rows if (curve := _curve(table, row))}
        goal = next((row for row, curve in curves.items() if _is_goal(curve)), None)
        if goal is not None and len(budgets := _budgets(table)) > 1:
            result = results.setdefault((table.task, goal), Savings(table.task, goal, [], []))
            _add(result, table, curves, budgets)
    return [result for result in results.values() if result.savings or result.left_out]


def _add(result: Savings, table: Table, curves: dict[str, dict[float, Entry]], budgets: set[float]) -> None:
    """Add the savings of a table, and the names of rows that lack a budget in it."""
    for row in table.all_rows:
        curve = curves.get(row, {})
        if _is_goal(curve):
            continue
        if set(curve) == budgets:
            result.savings.append(_saving(table, row, curve, curves[result.goal][1.0]))
        elif row not in result.left_out:
            result.left_out.append(row)


def _budgets(table: Table) -> set[float]:
    """Return the label budgets of a table, those without a finished cell among them."""
    return {float(entry.variant[FIELD]) for entry in table.body.values() if _is_on_curve(entry)}


def _is_on_curve(entry: Entry) -> bool:
    return FIELD in entry.variant and SIGNAL not in entry.variant


def _curve(table: Table, row: str) -> dict[float, Entry]:
    """Return a row's complete entries by label budget, the smallest first; {} where several columns share a budget."""
    entries = [entry for (name, _), entry in table.body.items() if name == row and _is_on_curve(entry)]
    usable = [entry for entry in entries if entry.complete]
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
    if draws is not None and (usable := np.isfinite(draws).all(axis=0)).any():
        over_resamples = crossings(shares, sign * (draws[:-1] - draws[-1])[:, usable])
        low, high = np.quantile(over_resamples, [0.025, 0.975], method="nearest")  # between two values may lie infinity
        bounds = (float(low), float(high))
    share = float(crossings(shares, ahead)[0])
    return Saving(row, table.dataset, table.label_set, share, bounds, float(shares[0]))


def _draws(entries: list[Entry]) -> np.ndarray | None:
    """Return numbers ``(entry, resample)``; None where an entry keeps no resamples, or other ones, or all are flat."""
    if all(entry.is_flat for entry in entries):
        return None
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
