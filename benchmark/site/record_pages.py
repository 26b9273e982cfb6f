"""Pages of records: one for each row of a suite, with what every record of the row says and where it comes from.

What the records of a row share (options, machine, versions) stands once. Each record is also there whole, compressed,
for a button that shows it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from benchmark.api import SPLITS
from benchmark.leaderboard.entry_text import entry_text
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import TIED, Table
from benchmark.leaderboard.words import metric_words
from benchmark.planning.standing import FAILED
from benchmark.records.record import RunRecord, parse_record
from benchmark.records.table_fields import Result
from benchmark.site.addresses import Place, entry_anchor, method_page, suite_page, weights_anchor
from benchmark.site.contents import SuiteRecords
from benchmark.site.templates import Templates

DECIMALS = 4


def record_page(suite: SuiteRecords, row: str, templates: Templates) -> str:
    """Return the page of a row's records."""
    page = suite.page_of(row)
    shared = _Shared()
    texts: dict[str, str] = {}
    sections = [_section(suite, *place, shared, texts) for place in suite.entries_of(row)]
    return templates.render(
        "records.html",
        page,
        row=row,
        suite=suite,
        suite_place=Place(suite_page(suite.name)),
        method=suite.method_of[row],
        method_place=Place(method_page(suite.method_of[row])),
        warnings=suite.board.warnings(),
        sections=sections,
        absent=_absent(suite, row),
        shared=shared.items(),
        packed=_pack(texts),
    )


class _Shared:
    """Facts that many records share, by their id on the page: the machine and its versions, all options."""

    TITLES: Mapping[str, str] = {"origin": "Made by", "options": "Options"}

    def __init__(self) -> None:
        self._ids: dict[str, dict[str, str]] = {kind: {} for kind in self.TITLES}
        self._lines: dict[str, list[tuple[str, str]]] = {}

    def place(self, kind: str, facts: Mapping[str, Any]) -> str:
        """Return the id of these facts, equal ones have the same."""
        lines = list(flat(facts))
        ids = self._ids[kind]
        anchor = ids.setdefault(json.dumps(lines, ensure_ascii=False), f"{kind}-{len(ids) + 1}")
        self._lines[anchor] = lines
        return anchor

    def items(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """Return id, title and lines of all facts."""
        return [
            (anchor, f"{title} {anchor.rpartition('-')[2]}", self._lines[anchor])
            for kind, title in self.TITLES.items()
            for anchor in self._ids[kind].values()
        ]


def flat(facts: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return the leaves of nested facts as ``("environment cpu", "AMD EPYC")``; empty ones are left out."""
    lines: list[tuple[str, str]] = []
    for name, value in facts.items():
        title = f"{before} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            lines += flat(value, title)
        elif value is not None and value != []:
            lines.append((title, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    return lines


def _section(
    suite: SuiteRecords, table: Table, column: str, entry: Entry, shared: _Shared, texts: dict[str, str]
) -> dict[str, Any]:
    """Return an entry of a table with its records."""
    tied = f" {TIED}" if entry.row in table.rankings[column].tied else ""
    return {
        "id": entry_anchor(entry.results[0].key) if entry.results else None,
        "table": table.title,
        "column": table.look.column(column),
        "metric": table.directed_metric,
        "text": entry_text(entry, look=table.look) + tied,
        "notes": sorted({note for result in entry.results for note in result.notes}),
        "records": [
            _record(suite, entry, result, member, shared, texts)
            for result, member in zip(entry.results, entry.members, strict=True)
        ],
    }


def _record(
    suite: SuiteRecords, entry: Entry, result: Result, member: int | None, shared: _Shared, texts: dict[str, str]
) -> dict[str, Any]:
    content = suite.board.store.content((entry.task, result.method, result.key))
    record = parse_record(content, result.key)
    texts[record.key] = content.decode("utf-8")
    names = [] if member is None else [f"training {member}"]
    names += [] if result.seed is None else [f"seed {result.seed}"]
    return {
        "key": record.key,
        "title": ", ".join(names) or "record",
        "value": _number(record.metrics.get(record.primary), record.intervals.get(record.primary)),
        "synthetic": record.synthetic,
        "metrics": [
            (metric_words(name), _number(value, record.intervals.get(name)), name == record.primary)
            for name, value in sorted(record.metrics.items(), key=lambda item: item[0] != record.primary)
        ],
        "facts": _facts(record),
        "leak": record.leak,
        "training": _training(suite, entry, record),
        "origin": shared.place("origin", _origin(record)),
        "options": shared.place("options", record.config) if record.config else None,
    }


def _training(suite: SuiteRecords, entry: Entry, record: RunRecord) -> Place | None:
    """Return the place of the card of the weights; None for weights that were not made here, or none."""
    folder = suite.weights_of.get(record.key)
    return None if folder is None else Place(method_page(entry.method), weights_anchor(folder))


def _number(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "undefined"
    bounds = f" [{interval[0]:.{DECIMALS}f}, {interval[1]:.{DECIMALS}f}]" if interval is not None else ""
    return f"{value:.{DECIMALS}f}{bounds}"


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    """Return what a record says of itself, in pairs of a title and a text; what it does not say is left out."""
    question = {name: value for name, value in record.question.items() if name != "seed"}
    digests = {"data": record.data_digest, "source data": record.source_digest, "values": record.values_digest}
    weights = record.provenance.get("weights")
    facts = {
        "question": _words(question),
        "recordings": _words({split: record.n[split] for split in SPLITS if split in record.n}),
        "choice": _words(record.details.get("choice") or {}),
        "protocol": record.spec["protocol"],
        "digests of data": _words({name: value for name, value in digests.items() if value}),
        "digests of code": _words(record.code),
        "weights": f"sha256 {weights}" if weights else "",
        "predictions": f"sha256 {record.predictions}" if record.predictions else "",
        "cost": _words(record.cost),
        "seconds": f"{record.seconds:.1f}",
    }
    return [(title, text) for title, text in facts.items() if text]


def _words(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{title} {text}" for title, text in flat(facts))


def _origin(record: RunRecord) -> dict[str, Any]:
    """Return the provenance without what differs between records of one machine: memory, and the weights."""
    own = ("peak_memory_mb", "weights")
    return {name: value for name, value in record.provenance.items() if name not in own}


def _absent(suite: SuiteRecords, row: str) -> list[str]:
    """Return a line for each cell of the row without a number."""
    finished_keys = {cell.spec.key for cell in suite.board.standings.finished_cells}
    return [
        f"{standing.cell.title}: {'failed' if standing.state == FAILED else standing.state}"
        + (f", {standing.why}" if standing.why else "")
        for standing in suite.board.standings.all
        if standing.cell.row == row and standing.cell.spec.key not in finished_keys
    ]


def _pack(texts: Mapping[str, str]) -> str:
    content = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")
