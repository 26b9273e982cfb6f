"""Pages of methods: the card, the options, all numbers over the suites, and the cards of the weights made here."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

from benchmark import configuration
from benchmark.canonical import canonical
from benchmark.errors import DataError
from benchmark.leaderboard.figures.compact import address, compact
from benchmark.option_types import description, option_types
from benchmark.paths import Home
from benchmark.planning.plan import Cell
from benchmark.planning.pretrained import CARD, CURVES
from benchmark.registry import METHODS
from benchmark.site.addresses import Place, method_page, suite_page, weights_anchor
from benchmark.site.contents import Contents, SuiteRecords, class_of
from benchmark.site.grid import grids
from benchmark.site.record_pages import flat
from benchmark.site.templates import Templates

LONG = ("config", "recipe", "provenance")  # parts of a card of weights that stand in a list of their own


def method_page_of(contents: Contents, name: str, templates: Templates) -> str:
    """Return the page of a method."""
    cls, reason = class_of(METHODS, name)
    suites = [suite for suite in contents.suites if suite.cells_of(name)]
    return templates.render(
        "method.html",
        method_page(name),
        name=name,
        about=inspect.cleandoc(cls.__doc__ or "") if cls else "",
        card=card_lines(cls.card) if cls else [],
        weights=list(cls.card.weights.items()) if cls else [],
        title=cls.card.title if cls else name,
        is_baseline=bool(cls and cls.card.is_baseline),
        reason=reason,
        options=option_lines(cls) if cls else [],
        rows=[line for suite in suites for line in _rows(suite, name)],
        suites=[(suite, Place(suite_page(suite.name)), list(_grids(suite, name))) for suite in suites],
        trainings=_trainings(suites, name),
    )


def card_lines(card: Any) -> list[tuple[str, str]]:
    """Return the fields of a card that say something, as text; mappings and flags have a place of their own."""
    lines = []
    for field in dataclasses.fields(card):
        value = getattr(card, field.name)
        if value in ((), {}, "", None) or field.name in ("title", "weights", "sizes", "is_baseline", "synthetic"):
            continue
        lines.append((field.name.replace("_", " "), _card_text(value)))
    return lines


def _card_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def option_lines(cls: Any) -> list[tuple[str, str, str]]:
    """Return name, type and default of each option."""
    kinds = option_types(cls)
    return [
        (name, _type_words(kinds.get(name, Any)), "required" if default is inspect.Parameter.empty else _json(default))
        for name, default in configuration.options(cls).items()
    ]


def _type_words(kind: Any) -> str:
    return "" if kind is Any else description(kind)


def _json(value: Any) -> str:
    return json.dumps(canonical(value), ensure_ascii=False)


def _grids(suite: SuiteRecords, name: str) -> list[Any]:
    return list(grids(suite, {row for row, method in suite.method_of.items() if method == name}))


def _rows(suite: SuiteRecords, name: str) -> list[dict[str, Any]]:
    """Return the rows of a method in a suite, with what sets them apart and their size."""
    return [
        {
            "row": row,
            "suite": suite.name,
            "place": Place(suite.page_of(row)) if row in suite.files else None,
            "options": ", ".join(f"{title} {text}" for title, text in flat(cells[0].spec.method_config)),
            "training": ", ".join(f"{title} {text}" for title, text in flat(cells[0].spec.pretraining or {})),
            "sizes": _sizes(suite, row),
        }
        for row, cells in suite.cells_of(name).items()
    ]


def _sizes(suite: SuiteRecords, row: str) -> list[str]:
    """Return ``2,547,274 parameters`` and ``173,392,896 FLOPs per recording``, as the records have them."""
    costs = [result.cost for entry in suite.board.entries if entry.row == row for result in entry.results]
    units = {"parameters": "parameters", "flops": "FLOPs per recording"}
    return [
        f"{number:,.0f} {unit}"
        for key, unit in units.items()
        for number in sorted({cost[key] for cost in costs if key in cost})
    ]


def _trainings(suites: list[SuiteRecords], name: str) -> list[dict[str, Any]]:
    """Return the cards of the weights behind a method's rows, each once, in the order of suites and rows."""
    cells: dict[tuple[Path, str], list[Cell]] = {}
    for suite in suites:
        for of_row in suite.cells_of(name).values():
            for cell in of_row:
                if cell.weights_folder:
                    cells.setdefault((suite.beside, cell.weights_folder), []).append(cell)
    return [_training(beside, folder, of_weights) for (beside, folder), of_weights in cells.items()]


def _training(beside: Path, folder: str, cells: list[Cell]) -> dict[str, Any]:
    path = Home(beside).pretrained / folder
    card = _read(path / CARD) or {}
    curves = path / CURVES
    return {
        "id": weights_anchor(folder),
        "folder": folder,
        "rows": list(dict.fromkeys(cell.row for cell in cells)),
        "synthetic": bool(card.get("synthetic")),
        "facts": flat({name: value for name, value in card.items() if name not in (*LONG, "crc32")}),
        "details": [(name, flat(card[name])) for name in LONG if card.get(name)],
        "curves": address(compact(curves.read_text("utf-8"))) if curves.is_file() else None,
    }


def _read(path: Path) -> dict[str, Any] | None:
    """Return a card of weights, None where it was not collected; raise `DataError` for one that is damaged."""
    if not path.is_file():
        return None
    try:
        card = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); collect the records again") from None
    if not isinstance(card, dict):
        raise DataError(f"{path} is no card; collect the records again")
    return card
