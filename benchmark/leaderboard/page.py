"""The leaderboard as one self-contained HTML file: no network, no other files, no server.

Sorting and filtering are DataTables' (the copy that the package itables ships). Every text that comes from a record is
escaped by jinja, and a content security policy forbids the page to load anything from elsewhere.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from benchmark.leaderboard.breakdown import COUNTS, PartScore, scores_of
from benchmark.leaderboard.entry_text import entry_text, spread_text
from benchmark.leaderboard.figures.compact import address, compact
from benchmark.leaderboard.figures.style import caption_of, save
from benchmark.leaderboard.presentation import Presentation
from benchmark.leaderboard.published import Comparison
from benchmark.leaderboard.published_rows import PublishedRow
from benchmark.leaderboard.submissions import HEAD as SUBMITTED_HEAD
from benchmark.leaderboard.summaries import summary_tables
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.table import TIED, Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.records.files import is_archive
from benchmark.records.paths import RECORD
from benchmark.records.table_fields import Result

TEMPLATE = "page.html"


@dataclass(frozen=True)
class Around:
    """What a site has around the page: `links` to its parts by title, pages of `rows`, and an entry's page of records.

    A record is on that page under its key.
    """

    links: Sequence[tuple[str, str]] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    record_page: Callable[[Entry], str] | None = None


ALONE = Around()


def page(
    board: Leaderboard, published: list[Comparison], figures: dict[str, Any], out: Path, around: Around = ALONE
) -> str:
    """Return the whole page; links to records are relative to the folder `out`, in a site they are those of `around`.

    Records in one Parquet file have no address of their own: the dialog names the command that prints one.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.leaderboard", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    bundle = files("itables") / "html"
    entries = _Entries(board, out, around)
    return environment.get_template(TEMPLATE).render(
        suite=board.plan.suite,
        warnings=board.warnings(),
        notes=board.notes(),
        tied=TIED,
        around=around,
        tables=[_table(table, number, entries) for number, table in enumerate(board.tables)],
        summaries=summary_tables(board),
        submitted=[row.texts for row in board.submitted_rows],
        submitted_head=SUBMITTED_HEAD,
        published=[_comparison(board, one) for one in published],
        figures=[
            {"caption": caption_of(figure), "image": address(compact(save(figure, "svg").decode("utf-8")))}
            for figure in figures.values()
        ],
        data=_pack(entries.to_json()),
        library=_pack((bundle / "dt_bundle.js").read_bytes()),
        style=(bundle / "dt_bundle.css").read_text("utf-8"),
    )


class _Entries:
    """Data of the dialog behind each number. Thousands of records share origins and notes, so each is stored once."""

    def __init__(self, board: Leaderboard, out: Path, around: Around) -> None:
        self.board, self.out, self.around = board, out, around
        self.rows: list[dict[str, Any]] = []
        self.origins = _Once()
        self.notes = _Once()
        self.layouts = _Once()
        self._folders: dict[tuple[str, str], str] = {}

    def to_json(self) -> bytes:
        shared = {name: getattr(self, name).things for name in ("origins", "notes", "layouts")}
        data = {"entries": self.rows, **shared, "file": RECORD, "command": self._command()}
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def add(self, table: Table, row: str, column: str, entry: Entry) -> int:
        low_high = entry.interval if entry.values else None
        first = entry.results[0] if entry.results else None
        p = table.rankings[column].p_values.get(row)
        self.rows.append(
            {
                "title": f"{table.look.row(row)}: {table.title}, {table.look.column(column)}",
                "metric": table.axis,
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
                "parts": [self._parts(kind, scores) for kind, scores in scores_of(self.board.store, entry).items()],
            }
        )
        return len(self.rows) - 1

    def _parts(self, kind: str, scores: dict[str, PartScore]) -> list[Any]:
        """Return the position of the parts' names and counts, and three numbers for each: value and interval."""
        counts = tuple((name, score.count) for name, score in scores.items())
        layout = {"kind": kind, "counts": COUNTS.get(kind, "recordings"), "parts": counts}
        numbers = [number for score in scores.values() for number in (score.value, *(score.interval or (None, None)))]
        return [self.layouts.place(layout), [None if number is None else round(number, 3) for number in numbers]]

    def _record(self, entry: Entry, result: Result) -> list[Any]:
        """Return key, seed, value, seconds and the position of its origin, as the dialog prints them."""
        record_page = self.around.record_page
        origin = {
            "folder": None if record_page else self._folder(entry.task, entry.method),
            **({"page": record_page(entry)} if record_page else {}),
            "data": result.data_digest,
            "protocol": result.protocol,
            **result.provenance,
        }
        value = None if result.value is None else round(result.value, 4)
        return [result.key, result.seed, value, round(result.seconds, 1), self.origins.place(origin)]

    def _command(self) -> str | None:
        """Return the command that prints a record of a Parquet file; None where records have links."""
        file = self.board.store.root
        if self.around.record_page:
            return None
        return shlex.join(["ecgarena", "records", "show", "--records", str(file)]) if is_archive(file) else None

    def _folder(self, task: str, method: str) -> str | None:
        """Return the folder of a method's records, relative to the page; None where they lie in one file."""
        if is_archive(self.board.store.root):
            return None
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
    look = table.look
    rows = [
        {
            "name": look.row(row),
            "page": entries.around.rows.get(row),
            "kind": "floor" if row in table.baselines else "own" if row in look.own else "",
            "cells": [_cell(table, row, column, entries) for column in table.columns],
        }
        for row in table.all_rows
    ]
    return {
        "id": f"table-{number}",
        "title": table.title,
        "facts": table.facts_line() or table.metric,
        "best": "desc" if _is_higher_better(table) else "asc",
        "columns": [look.column(column) for column in table.columns],
        "rows": rows,
        "published": [
            {"name": row.title, "source": f"{row.citation} ({row.evidence})", "texts": _published(table, row)}
            for row in table.published
        ],
    }


def _published(table: Table, row: PublishedRow) -> list[str]:
    number = table.look.number
    return [number(row.values[c], table.metric_name) if c in row.values else "–" for c in table.columns]


def _comparison(board: Leaderboard, one: Comparison) -> dict[str, Any]:
    published, own_value, difference = board.look.difference(one.own_value, one.published, one.metric)
    texts = {"metric": board.look.metric_name(one.metric), "published": published, "own_value": own_value}
    return {"row": one.row, "question": one.question, "difference": difference, **texts, "source": one.source} | {
        "evidence": one.evidence
    }


def _is_higher_better(table: Table) -> bool:
    return next((entry.higher_is_better for entry in table.body.values() if entry.results), True)


def _cell(table: Table, row: str, column: str, entries: _Entries) -> dict[str, Any]:
    entry = table.body.get((row, column))
    last = "-1e99" if _is_higher_better(table) else "1e99"  # without a number: behind all others
    if entry is None:
        return {"text": "–", "order": last, "entry": None, "mark": "", "tied": False, "tip": ""}
    mark = "best" if table.is_best(row, column) else "second" if table.is_second(row, column) else ""
    return {
        "text": entry_text(entry, interval=False, look=table.look),
        "order": f"{entry.mean:.6f}" if entry.values else last,
        "entry": entries.add(table, row, column, entry),
        "mark": mark,
        "tied": row in table.rankings[column].tied,
        "tip": _tip(entry, table.look),
    }


def _tip(entry: Entry, look: Presentation) -> str:
    text = entry_text(entry, look=look.model_copy(update={"interval": True}))
    if not entry.values:
        return text
    parts = [text, _number_of_cells(entry)]
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
