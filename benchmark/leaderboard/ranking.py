"""Ranking within a column: the leader, and the rows that are not separated from it.

Rivals are compared with the best of their column on the same resamples of the same patients, and over the trainings of
rows that have several. Holm's correction runs over the rivals of that column. Rows that are not separated at 5 % share
the leader's mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmark.leaderboard.summary import Entry
from benchmark.metrics.paired import Difference, holm, paired_difference

LEVEL = 0.05


@dataclass(frozen=True)
class Ranking:
    """Rows of one column by their mark; `tested` is False where records lack the resamples that a test needs.

    It is False, too, where patients have `no_spread` to judge some difference by: they are too few, or a score is
    perfect.
    """

    best: frozenset[str] = frozenset()
    second: frozenset[str] = frozenset()
    tied: frozenset[str] = frozenset()
    tested: bool = False
    p_values: dict[str, float] = field(default_factory=dict)  # corrected, against the best, by row
    smallest: float | None = None  # difference that Holm's strictest level separates with 80 % power, median rival
    no_spread: bool = False


def rank(entries: Sequence[Entry]) -> Ranking:
    """Mark the entries of one column. Only complete ones take part; a single one gets no mark."""
    rivals = [entry for entry in entries if entry.complete]
    if len(rivals) < 2:
        return Ranking()
    sign = 1 if rivals[0].higher_is_better else -1
    levels = sorted({sign * entry.mean for entry in rivals}, reverse=True)
    at = [frozenset(entry.row for entry in rivals if sign * entry.mean == level) for level in levels[:2]]
    best, second = at[0], at[1] if len(at) > 1 else frozenset()
    leader = next(entry for entry in rivals if entry.row in best)
    others = [entry for entry in rivals if entry is not leader]
    differences = [difference for entry in others if (difference := difference_of(leader, entry)) is not None]
    if len(differences) < len(others):
        return Ranking(best, second, no_spread=_lacks_spread(leader, others))
    corrected = dict(zip((entry.row for entry in others), holm([one.p for one in differences]), strict=True))
    tied = frozenset(row for row, p in corrected.items() if p >= LEVEL)
    sizes = [difference.smallest(LEVEL / len(others)) for difference in differences if difference.error]
    smallest = median(sizes) if sizes else None
    return Ranking(best, second, tied | best if tied - best else frozenset(), True, corrected, smallest)


def _lacks_spread(leader: Entry, others: Sequence[Entry]) -> bool:
    """Whether patients, and not records, are why there is no test: records of too few keep no resamples."""
    if all(entry.of_few_patients for entry in (leader, *others)):
        return True
    alike = len({entry.results[0].resampling for entry in (leader, *others)}) == 1
    return alike and all(entry.sample is not None for entry in (leader, *others))


def difference_of(a: Entry, b: Entry) -> Difference | None:
    """Return the paired difference of two entries.

    None where their resamples are absent, drawn differently, or have no spread to judge the difference by.
    """
    first, second = a.sample, b.sample
    if first is None or second is None or a.results[0].resampling != b.results[0].resampling:
        return None
    return paired_difference(first, second)
