"""Entries by class and by subgroup (sex, age, device): value, 95 % interval, and how many recordings it rests on.

Summaries of a suite keep one number per record. These parts are read again from the records, and only where a table or
the page shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import msgspec

from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.records.paths import RECORD
from benchmark.records.store import Store

CLASS = "class"
COUNTS = {CLASS: "positives"}  # what the count of a part counts; of a subgroup its recordings
KINDS = ("classes", "subgroups")


class RecordParts(msgspec.Struct):
    """The parts of a record that are read here; its digest was checked when the entry was summarised."""

    per_class: dict[str, dict[str, Any]] = {}
    subgroups: dict[str, dict[str, dict[str, Any]]] = {}


@dataclass(frozen=True)
class PartScore:
    """One part of an entry, mean over its records; bounds are means of theirs. Without a value there is a reason."""

    count: int
    value: float | None = None
    interval: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Breakdown:
    """One column of a table by class, or by the values of an attribute: `body` maps (row, part) to its score."""

    table: Table
    column: str
    kind: str  # "class", or the attribute: "age"
    parts: list[str]
    body: dict[tuple[str, str], PartScore]

    @property
    def title(self) -> str:
        return f"{self.table.title}, {self.table.look.column(self.column)}, by {self.kind}"

    @property
    def rows(self) -> list[str]:
        names = {row for row, _ in self.body}
        return [row for row in self.table.all_rows if row in names]

    @property
    def counts(self) -> dict[str, int]:
        return {part: score.count for (_, part), score in reversed(self.body.items())}

    def count_words(self) -> str:
        return COUNTS.get(self.kind, "recordings")

    def reasons(self) -> dict[str, str]:
        """Return the parts without a number in any row, and why."""
        reasons = {part: score.reason or "no number" for (_, part), score in self.body.items()}
        with_number = {part for (_, part), score in self.body.items() if score.value is not None}
        return {part: reason for part, reason in reasons.items() if part not in with_number}

    def text(self, row: str, part: str) -> str:
        """Return ``0.883 [0.870, 0.895]``, or a dash."""
        score, look = self.body.get((row, part)), self.table.look
        if score is None or score.value is None:
            return "–"
        number = look.number(score.value, self.table.metric_name)
        if score.interval is None or not look.interval:
            return number
        return f"{number} [{', '.join(look.number(bound, self.table.metric_name) for bound in score.interval)}]"


def breakdowns(board: Leaderboard, kind: str) -> Iterator[Breakdown]:
    """Return the breakdowns by ``classes`` or by ``subgroups`` of every column whose records have them."""
    for table in board.tables:
        for column in table.columns:
            by_row = {
                row: scores_of(board.store, table.body[row, column])
                for row in table.all_rows
                if (row, column) in table.body
            }
            names = dict.fromkeys(name for scores in by_row.values() for name in scores)
            for name in names:
                if (name == CLASS) == (kind == "classes"):
                    body = {
                        (row, part): score
                        for row, scores in by_row.items()
                        for part, score in scores.get(name, {}).items()
                    }
                    yield Breakdown(table, column, name, list(dict.fromkeys(part for _, part in body)), body)


def scores_of(store: Store, entry: Entry) -> dict[str, dict[str, PartScore]]:
    """Return kind -> part -> score of an entry in the metric of its table; empty where records have no such parts."""
    records = read_parts(store, entry)
    if not records:
        return {}
    metric = entry.results[0].primary
    base = metric.rpartition("_")[0] or metric
    scores = {CLASS: class_scores(records, base)}
    for name in dict.fromkeys(name for record in records for name in record.subgroups):
        scores[name] = _scores([record.subgroups.get(name, {}) for record in records], metric, "interval", "n")
    return {kind: parts for kind, parts in scores.items() if any(score.value is not None for score in parts.values())}


def class_scores(records: Sequence[RecordParts], metric: str) -> dict[str, PartScore]:
    """Return the score of each class in a metric of classes (``auroc``)."""
    return _scores([record.per_class for record in records], metric, f"{metric}_interval", "positives")


def read_parts(store: Store, entry: Entry) -> list[RecordParts]:
    """Return the parts of each record behind an entry."""
    contents = (store.files.read((entry.task, entry.method, result.key), RECORD) for result in entry.results)
    return [msgspec.json.decode(content, type=RecordParts) for content in contents if content is not None]


def _scores(
    tables: Sequence[dict[str, dict[str, Any]]], metric: str, interval: str, count: str
) -> dict[str, PartScore]:
    scores = {}
    for part in dict.fromkeys(part for table in tables for part in table):
        cells = [table[part] for table in tables if part in table]
        values = [cell[metric] for cell in cells if cell.get(metric) is not None]
        bounds = [cell[interval] for cell in cells if cell.get(interval)]
        pair = (mean(low for low, _ in bounds), mean(high for _, high in bounds)) if bounds else None
        reason = next((cell["reason"] for cell in cells if "reason" in cell), "")
        scores[part] = PartScore(cells[0].get(count, 0), mean(values) if values else None, pair, reason)
    return scores
