"""The leaderboard as one self-contained HTML file: no network, no other files, no server.

Sorting and filtering are DataTables' (the copy that the package itables ships). Every text that comes from a record is
escaped by jinja, and a content security policy forbids the page to load anything from elsewhere.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from benchmark.leaderboard.figures.compact import address, compact
from benchmark.leaderboard.figures.style import save
from benchmark.leaderboard.published import Comparison
from benchmark.leaderboard.summaries import summary_tables
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.tables import TIED, Leaderboard, Table, entry_text, spread_text
from benchmark.records.paths import RECORD
from benchmark.records.table_fields import Result

TEMPLATE = "page.html"


def page(board: Leaderboard, published: list[Comparison], figures: dict[str, Any], out: Path) -> str:
    """Return the whole page; links to records are relative to the folder `out`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.leaderboard", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    bundle = files("itables") / "html"
    entries = _Entries(board, out)
    return environment.get_template(TEMPLATE).render(
        suite=board.plan.suite,
        warnings=board.warnings(),
        notes=board.notes(),
        tied=TIED,
        tables=[_table(table, number, entries) for number, table in enumerate(board.tables)],
        summaries=summary_tables(board),
        published=published,
        figures={name: address(compact(save(figure, "svg").decode("utf-8"))) for name, figure in figures.items()},
        data=_pack(entries.to_json()),
        library=_pack((bundle / "dt_bundle.js").read_bytes()),
        style=(bundle / "dt_bundle.css").read_text("utf-8"),
    )


class _Entries:
    """Data of the dialog behind each number. Thousands of records share origins and notes, so each is stored once."""

    def __init__(self, board: Leaderboard, out: Path) -> None:
        self.board, self.out = board, out
        self.rows: list[dict[str, Any]] = []
        self.origins = _Once()
        self.notes = _Once()
        self._folders: dict[tuple[str, str], str] = {}

    def to_json(self) -> bytes:
        data = {"entries": self.rows, "origins": self.origins.things, "notes": self.notes.things, "file": RECORD}
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def add(self, table: Table, row: str, column: str, entry: Entry) -> int:
        low_high = entry.interval if entry.values else None
        first = entry.results[0] if entry.results else None
        p = table.rankings[column].p_values.get(row)
        self.rows.append(
            {
                "title": f"{row}: {table.title}, {column}",
                "metric": table.metric,
                "interval": low_high and [round(bound, 4) for bound in low_high],
                "spread": spread_text(entry),
                "p": None if p is None else round(p, 4),
                "n": first.n if first else {},
                "missing": entry.missing,
                "failed": entry.failures,
                "notes": [
                    self.notes.place(note)
                    for note in sorted({note for row_result in entry.results for note in row_result.notes})
                ],
                "records": [self._record(entry, result) for result in entry.results],
            }
        )
        return len(self.rows) - 1

    def _record(self, entry: Entry, result: Result) -> list[Any]:
        """Return key, seed, value, seconds and the position of its origin, as the dialog prints them."""
        origin = {
            "folder": self._folder(entry.task, entry.method),
            "data": result.data_digest,
            "protocol": result.protocol,
            **result.provenance,
        }
        value = None if result.value is None else round(result.value, 4)
        return [result.key, result.seed, value, round(result.seconds, 1), self.origins.place(origin)]

    def _folder(self, task: str, method: str) -> str:
        """Return the folder of a method's records, relative to the page."""
        if (task, method) not in self._folders:
            folder = os.path.relpath(self.board.store.root / task / method, self.out)
            self._folders[task, method] = f"./{quote(Path(folder).as_posix())}"  # no scheme, whatever a name is
        return self._folders[task, method]


class _Once:
    """A list of different values; equal ones share a position."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, thing: Any) -> int:
        same = tuple(thing.items()) if isinstance(thing, dict) else thing
        if same not in self._places:
            self._places[same] = len(self.things)
            self.things.append(thing)
        return self._places[same]


def _table(table: Table, number: int, entries: _Entries) -> dict[str, Any]:
    rows = [
        {
            "name": row,
            "floor": row in table.baselines,
            "cells": [_cell(table, row, column, entries) for column in table.columns],
        }
        for row in table.all_rows
    ]
    return {
        "id": f"table-{number}",
        "title": table.title,
        "facts": table.facts_line() or table.metric,
        "columns": table.columns,
        "rows": rows,
    }


def _cell(table: Table, row: str, column: str, entries: _Entries) -> dict[str, Any]:
    entry = table.body.get((row, column))
    if entry is None:
        return {"text": "–", "order": _last(table), "entry": None, "mark": "", "tied": False, "tip": ""}
    mark = "best" if table.is_best(row, column) else "second" if table.is_second(row, column) else ""
    return {
        "text": entry_text(entry, interval=False),
        "order": f"{entry.mean:.6f}" if entry.values else _last(table),
        "entry": entries.add(table, row, column, entry),
        "mark": mark,
        "tied": row in table.rankings[column].tied,
        "tip": _tip(entry),
    }


def _last(table: Table) -> str:
    """Return the value by which an entry without a number is sorted: as the worst, whichever way is better."""
    return "-1" if table.facts.higher_is_better else "999999999"


def _tip(entry: Entry) -> str:
    if not entry.values:
        return entry_text(entry)
    parts = [entry_text(entry), _number_of_cells(entry)]
    sizes = entry.results[0].n
    parts += [f"{name} {sizes[name]}" for name in ("train", "test") if name in sizes]
    return ", ".join(parts)


def _number_of_cells(entry: Entry) -> str:
    """Return ``5 subset seeds``, or ``15 cells of 3 trainings``."""
    count = len(entry.values)
    if entry.trainings > 1:
        return f"{count} cells of {entry.trainings} trainings"
    return f"{count} subset seed{'s' if count > 1 else ''}"


def _pack(content: bytes) -> str:
    """Compress for the page, to a third of the size. There is no date, so that the same store gives the same page."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")
