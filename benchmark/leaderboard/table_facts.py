"""Sentences of a caption that make a table complete by itself: protocol, data, seeds, marks and test."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.ranking import LEVEL
from benchmark.leaderboard.table import TIED, Table
from benchmark.leaderboard.words import capital
from benchmark.records.table_fields import Result


def recordings(tables: Sequence[Table]) -> str:
    """Return ``2158``, or ``880 to 2158`` where tables differ."""
    sizes = {result.n.get("test", 0) for result in _results(tables)}
    low, high = min(sizes, default=0), max(sizes, default=0)
    return f"{low}" if low == high else f"{low} to {high}"


def reading(tables: Sequence[Table], spread: bool, interval: bool) -> list[str]:
    """Return how to read the numbers, and what the marks mean."""
    protocols = ", ".join(sorted({table.facts.protocol for table in tables}))
    digests = ", ".join(sorted({result.data_digest for result in _results(tables)})) or "none"
    seeds = max((len(entry.values) for table in tables for entry in table.body.values()), default=0)
    deviation = " (mean ± standard deviation)" if spread else ""
    repeats = f", up to {seeds} label-subset seeds{deviation}" if seeds > 1 else ""
    lines = [f"Protocol {protocols}, data {digests}{repeats}."]
    lines += ["In brackets the 95 % bootstrap interval over patients."] if interval else []
    rankings = [ranking for table in tables for ranking in table.rankings.values() if ranking.best]
    tested = [ranking.tested for ranking in rankings]
    lines += ["Bold: best, underlined: second."] if tested else []
    if any(tested):
        lines.append(f"{TIED}: not separated from the best (paired bootstrap, Holm over the column, {LEVEL:.0%}).")
        lines += [f"{capital(table.power())}." for table in tables] if len(tables) == 1 else []
    if any(ranking.no_spread for ranking in rankings):
        lines.append("No test against the best where patients are too few or too alike to judge by.")
    if not all(ranking.tested or ranking.no_spread for ranking in rankings):
        lines.append("No test against the best where records keep no resamples.")
    return lines


def _results(tables: Sequence[Table]) -> list[Result]:
    return [result for table in tables for entry in table.body.values() for result in entry.results]
