"""The audit of report metrics as Markdown, as CSV, and as JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from benchmark.inert import markdown_row, markdown_text
from benchmark.reporting.audit.audit import Line
from benchmark.reporting.audit.faults import GROUPS
from benchmark.reporting.audit.measures import METRICS

LANGUAGE_TITLES = {"de": "German", "en": "English"}
DROP = (
    "Mean fall of a score, in percent of the score of the true report against itself, with its 95 % interval over "
    "patients."
)
RECOGNISED = (
    "How often the report with the fault scores below the same report with as many words misspelt, in percent; ties "
    "count one half. At 50 a metric cannot tell the fault from a typing error."
)


@dataclass(frozen=True)
class AuditTable:
    """All lines of an audit, with what a reader must know of their making."""

    dataset: str
    lines: Sequence[Line]
    count: int  # reports asked for
    splits: Sequence[str]
    seed: int
    synthetic: bool
    embedding: dict[str, str] | None  # package, version and digest of the language model
    notes: Sequence[str] = ()
    warnings: Sequence[str] = field(default_factory=tuple)  # of the data

    @property
    def metrics(self) -> list[str]:
        present = {line.metric for line in self.lines}
        return [metric for metric in METRICS if metric in present]

    @property
    def languages(self) -> list[str]:
        return list(dict.fromkeys(line.language for line in self.lines))

    def rows(self, language: str) -> dict[str, dict[str, Line]]:
        """Return fault -> metric -> line."""
        rows: dict[str, dict[str, Line]] = {}
        for line in self.lines:
            if line.language == language:
                rows.setdefault(line.fault, {})[line.metric] = line
        return rows

    def all_warnings(self) -> list[str]:
        synthetic = ["synthetic: these reports were made up and say nothing about metrics on real ones"]
        return [*(synthetic if self.synthetic else []), *self.warnings]


def markdown(table: AuditTable) -> str:
    """Return both tables of each language, with notes."""
    parts = [f"# Report metrics on faulty reports of {markdown_text(table.dataset)}"]
    parts += [f"> **{markdown_text(warning)}**" for warning in table.all_warnings()]
    for language in table.languages:
        title = LANGUAGE_TITLES[language]
        parts += [f"## {title} reports: the fall of each score", DROP, _grid(table, language, _drop)]
        parts += [f"## {title} reports: fault or typing error?", RECOGNISED, _grid(table, language, _recognised, True)]
    parts.append("## Notes\n\n" + "\n".join(f"- {markdown_text(note)}" for note in notes_of(table)))
    return "\n\n".join(parts) + "\n"


def notes_of(table: AuditTable) -> list[str]:
    """Return what a reader must know: the draw, scarce faults, versions, and metrics that are missing."""
    notes = [
        f"Different reports of {', '.join(table.splits)}, cleaned, in lower case; up to {table.count} for each fault "
        f"and language, drawn with seed {table.seed} among those that offer a place for the fault.",
        "Scores of single reports against their own true text. CIDEr has the document frequencies of the test split.",
    ]
    scarce = {
        f"{line.title} ({LANGUAGE_TITLES[line.language]}): {line.reports}"
        for line in table.lines
        if line.reports < table.count
    }
    if scarce:
        notes.append(f"Fewer reports than asked for offer a place for: {'; '.join(sorted(scarce))}.")
    if table.embedding:
        model = table.embedding
        notes.append(
            f"embedding: {model['package']} {model['version']}, SHA-256 {model['sha256']}, {model['pooling']}, centred "
            "on the mean of the training reports."
        )
    return [*notes, *table.notes]


def spreadsheet(table: AuditTable) -> str:
    """Return a line per fault, language and metric; numbers are shares, empty where there is none."""
    names = [entry.name for entry in fields(Line)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "synthetic", "seed", *names, "recognised", "model_sha256"])
    for line in table.lines:
        digest = table.embedding["sha256"] if table.embedding and line.metric == "embedding" else ""
        values = [_number(value) for value in asdict(line).values()]
        writer.writerow([table.dataset, table.synthetic, table.seed, *values, _number(line.recognised), digest])
    return text.getvalue()


def as_json(table: AuditTable) -> dict[str, Any]:
    """Return the whole audit for ``--json``; a comparison that was not made is None."""
    lines = [{**asdict(line), "recognised": line.recognised} for line in table.lines]
    return {
        "dataset": table.dataset,
        "synthetic": table.synthetic,
        "splits": list(table.splits),
        "seed": table.seed,
        "embedding": table.embedding,
        "notes": [*table.all_warnings(), *notes_of(table)],
        "lines": [{name: None if _is_nan(value) else value for name, value in line.items()} for line in lines],
    }


def _grid(table: AuditTable, language: str, cell: Callable[[Line], str], compared: bool = False) -> str:
    """Return a table of faults by metrics; where faults are `compared` with harmless ones, those are left out."""
    head = ["", "reports", "words", *(METRICS[metric] for metric in table.metrics)]
    rows = [markdown_row(head), "|---" * len(head) + "|"]
    for group, title in GROUPS.items():
        faults = [row for row in table.rows(language).values() if next(iter(row.values())).group == group]
        if not faults or (compared and group == "ignore"):
            continue
        rows.append(markdown_row([f"*{title}*", *("" for _ in head[1:])]))
        for row in faults:
            first = next(iter(row.values()))
            facts = [first.title, str(first.reports), f"{first.words:.1f}"]
            rows.append(markdown_row([*facts, *(cell(row[metric]) for metric in table.metrics)]))
    return "\n".join(rows)


def _drop(line: Line) -> str:
    return f"{100 * line.drop:.1f} [{100 * line.low:.1f}, {100 * line.high:.1f}]"


def _recognised(line: Line) -> str:
    return f"{100 * line.recognised:.0f}"


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
