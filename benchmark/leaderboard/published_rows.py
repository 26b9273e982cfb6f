"""Published numbers as rows of a table, in grey below all others: no mark, no rank, no test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark.errors import DataError, raise_all
from benchmark.leaderboard.published import EVIDENCE, Published
from benchmark.leaderboard.summary import Entry

if TYPE_CHECKING:
    from benchmark.leaderboard.table import Table

HEADING = "published, not ranked"
EXPLANATION = (
    "Published numbers follow their papers' protocols, data and model sizes, not this one; they are never ranked."
)


@dataclass(frozen=True)
class PublishedRow:
    """The numbers of a method from one source, by column."""

    title: str  # method and source
    method: str
    citation: str
    evidence: str
    values: dict[str, float] = field(default_factory=dict)


def published_rows(table: Table, published: Iterable[Published]) -> list[PublishedRow]:
    """Return the rows for the questions and the metric of a table, in the order of the file.

    Raises `DataError` where two numbers of one source answer one question.
    """
    rows: dict[str, PublishedRow] = {}
    problems = []
    metric = table.metric_name or table.facts.primary
    questions = _questions(table)
    for one in published:
        for column in [name for name, entry in questions.items() if one.metric == metric and one.is_about(entry)]:
            title = f"{one.method} ({one.source_name})"
            row = rows.setdefault(title, PublishedRow(title, one.method, one.source, EVIDENCE[one.evidence]))
            if row.values.setdefault(column, one.value) != one.value:
                problems.append(f"{title}, {table.title}, {column}: {row.values[column]} and {one.value}")
    raise_all(problems, "published numbers: one source gives two numbers for one question:", DataError)
    return list(rows.values())


def source_notes(tables: Sequence[Table]) -> list[str]:
    """Return what grey rows are, and the source of each."""
    rows = {row.title: row for table in tables for row in table.published}
    return [EXPLANATION, *map(_source, rows.values())] if rows else []


def _source(row: PublishedRow) -> str:
    return f"{row.title}: {row.citation} ({row.evidence})."


def _questions(table: Table) -> dict[str, Entry]:
    """Return an entry of each column, in the order of the columns."""
    return {column: entry for column in table.columns for entry in _entries(table, column)}


def _entries(table: Table, column: str) -> Iterator[Entry]:
    return (entry for (_, name), entry in table.body.items() if name == column)
