"""One table of a suite as plain structure: rows, columns, entries, marks. Renderers turn it into text."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark.leaderboard.entry_text import EntryParts, entry_parts, entry_text
from benchmark.leaderboard.footnotes import protocol_mark
from benchmark.leaderboard.presentation import PLAIN, Presentation
from benchmark.leaderboard.published_rows import PublishedRow
from benchmark.leaderboard.ranking import Ranking, rank
from benchmark.leaderboard.summary import SIGNAL, Entry, column_title
from benchmark.metrics.paired import POWER
from benchmark.metrics.ranges import is_higher_better
from benchmark.planning.plan import TaskFacts

TIED = "≈"  # behind an entry that cannot be told from the best of its column


@dataclass
class Table:
    """One question on one label set: `body` maps (row, column) to its entry; baselines come last."""

    task: str
    dataset: str
    label_set: str
    rows: list[str]
    baselines: list[str]
    columns: list[str]
    body: dict[tuple[str, str], Entry]
    look: Presentation = PLAIN
    published: list[PublishedRow] = field(default_factory=list)  # never ranked

    @property
    def title(self) -> str:
        """Return ``Linear probe on PTB-XL superclasses``, with a mark where another protocol was followed."""
        return f"{self.look.task(self.task)} on {self.subject}{protocol_mark(self.facts)}"

    @property
    def subject(self) -> str:
        """Return ``PTB-XL superclasses``."""
        return self.look.label_set(self.dataset, self.label_set)

    @property
    def facts(self) -> TaskFacts:
        return next(iter(self.body.values())).facts

    @property
    def all_rows(self) -> list[str]:
        return [*self.rows, *self.baselines]

    @functools.cached_property
    def rankings(self) -> dict[str, Ranking]:
        """Return the ranking of each column; baselines take part like all rows."""
        return {
            column: rank([entry for (_, name), entry in self.body.items() if name == column and self.is_ranked])
            for column in self.columns
        }

    @property
    def is_ranked(self) -> bool:
        """Whether more or less of the metric is better; the length of reports has no best."""
        return self.metric_name in ("", self.facts.primary) or is_higher_better(self.metric_name) is not None

    def sizes(self) -> str:
        """Return ``2158 recordings in test; train 1 %: 171 to 173, 100 %: 17084``; empty before the first result."""
        test = {result.n["test"] for entry in self.body.values() for result in entry.results if "test" in result.n}
        if not test:
            return ""
        parts = []
        for column in self.columns:
            entries = (
                entry for (_, name), entry in self.body.items() if name == column and not entry.variant.get(SIGNAL)
            )
            train = {result.n["train"] for entry in entries for result in entry.results if "train" in result.n}
            if train:
                parts.append(f"{self.look.column(column)}: {_span(train)}")
        budgets = any({"fraction", "shots"} & entry.variant.keys() for entry in self.body.values())
        trained = f"; train {', '.join(parts)}" if budgets else ""
        return f"{_span(test)} recordings in test{trained}"

    def power(self) -> str:
        """Return ``smallest difference separated in 80 % of cases: 1 %: 0.021, 10 %: 0.012``; empty without a test."""
        sizes = {column: ranking.smallest for column, ranking in self.rankings.items() if ranking.smallest is not None}
        numbers = {column: self.look.number(size, self.metric_name) for column, size in sizes.items()}
        texts = [
            f"{self.look.column(name)}: {text}" if len(self.columns) > 1 else text for name, text in numbers.items()
        ]
        return f"smallest difference separated in {POWER * 100:.0f} % of cases: {', '.join(texts)}" if texts else ""

    def facts_line(self) -> str:
        """Return metric, sizes and power in one sentence; empty before the first result."""
        parts = [self.directed_metric, self.sizes(), self.power()]
        return f"{'; '.join(part for part in parts if part)}." if parts[1] else ""

    def text(self, row: str, column: str, interval: bool = True) -> str:
        """Return ``0.883 ±0.004 [0.870, 0.895] ≈``, or the reason why there is no number."""
        entry = self.body.get((row, column))
        if entry is None:
            return "–"
        return entry_text(entry, interval, self.look) + (f" {TIED}" if row in self.rankings[column].tied else "")

    def parts(self, row: str, column: str) -> EntryParts:
        entry = self.body.get((row, column))
        return EntryParts("–") if entry is None else entry_parts(entry, self.look)

    def is_best(self, row: str, column: str) -> bool:
        """Whether it is the best complete entry of its column; a single entry is not marked."""
        return row in self.rankings[column].best

    def is_second(self, row: str, column: str) -> bool:
        return row in self.rankings[column].second

    @property
    def metric_name(self) -> str:
        """Return the name of the metric as records have it; empty before the first result."""
        return next((entry.results[0].primary for entry in self.body.values() if entry.results), "")

    @property
    def metric(self) -> str:
        """Return the metric's name for readers; empty before the first result."""
        return self.look.metric_name(self.metric_name) + self._unit if self.metric_name else ""

    @property
    def _unit(self) -> str:
        """Return `` in years`` for the primary metric of a target with a unit."""
        result = next((entry.results[0] for entry in self.body.values() if entry.results), None)
        unit = result.analysis.get("unit") if result and self.metric_name == self.facts.primary else None
        return f" in {unit}" if unit else ""

    @property
    def directed_metric(self) -> str:
        """Return the metric for readers, ``MAE in years (lower is better)``."""
        return self._directed(self.metric)

    @property
    def higher_is_better(self) -> bool:
        """Return the direction of the metric by the records, which older plans beside them do not say."""
        entry = next((entry for entry in self.body.values() if entry.results), None)
        return self.facts.higher_is_better if entry is None else entry.higher_is_better

    def _directed(self, metric: str) -> str:
        is_plain = self.higher_is_better or not any(entry.results for entry in self.body.values())
        return metric if is_plain else f"{metric} (lower is better)"

    @property
    def axis(self) -> str:
        """Return the metric's name for figures, whose numbers are never percentages."""
        return self._directed(self.look.plain_metric(self.metric_name) + self._unit) if self.metric_name else ""


def by_question(entries: Sequence[Entry], *fields: str) -> dict[str, list[Entry]]:
    """Return entries by the fields that vary among them, other than `fields`, as headings have these; "" for none.

    A figure over `fields` (label fractions, conditions of signals) draws one of these at a time.
    """
    variants = [entry.variant for entry in entries]
    names = [
        name
        for name in dict.fromkeys(name for variant in variants for name in variant)
        if name not in (*fields, SIGNAL) and len({str(variant.get(name)) for variant in variants}) > 1
    ]
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(column_title(entry, names) if names else "", []).append(entry)
    return groups


def _span(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
