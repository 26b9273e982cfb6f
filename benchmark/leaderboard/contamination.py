"""Contamination notes for the tables: one line per dataset, state and reasons, with the rows that it concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmark.data.labels.contamination import Verdict
from benchmark.leaderboard.summary import Entry
from benchmark.planning.plan import Cell


def contamination_notes(entries: Iterable[Entry]) -> list[str]:
    """Return lines such as ``ptbxl, contamination: merl contaminated: its weights saw ...``.

    Records that were made before there was a verdict add nothing.
    """
    rows: dict[tuple[str, str, str], list[str]] = {}
    for entry in entries:
        for result in entry.results:
            if result.leak is not None:
                place = (entry.dataset, result.leak["state"], "; ".join(result.leak["reasons"]))
                rows.setdefault(place, []).append(entry.row)
    return [
        f"{dataset}, contamination: {', '.join(dict.fromkeys(names))} {state}: {reasons}."
        for (dataset, state, reasons), names in rows.items()
    ]


def contaminated_rows(entries: Iterable[Entry]) -> list[str]:
    """Return ``merl on ptbxl`` for each row with a number whose record says that it is contaminated."""
    rows = [
        entry_name(entry)
        for entry in entries
        for result in entry.results
        if result.leak is not None and result.leak["state"] == "contaminated"
    ]
    return list(dict.fromkeys(rows))


def entry_name(entry: Entry) -> str:
    return f"{entry.row} on {entry.dataset}"


def _tested(cell: Cell) -> tuple[str, ...]:
    """Return what decides which recordings a cell is tested on, and what its probe has seen."""
    fields = {name: value for name, value in cell.question.items() if name not in ("seed", "fraction")}
    return cell.spec.task, cell.spec.label_set, str(fields), str(cell.spec.source)


def newly_contaminated(
    cells: Iterable[Cell], entries: Iterable[Entry], verdict: Callable[[Cell], Verdict | None]
) -> list[tuple[str, str]]:
    """Return row and dataset where test recordings are now known to have been seen, but no record says so.

    For example, a dataset that was prepared after the run may show it. `verdict` is the current verdict on a cell.
    """
    entries = list(entries)
    in_records = set(contaminated_rows(entries))
    results = {(entry.row, entry.dataset) for entry in entries if entry.results and entry_name(entry) not in in_records}
    places = {(cell.row, cell.spec.dataset, *_tested(cell)): cell for cell in cells}
    rows = []
    for (row, dataset, *_), cell in places.items():
        now = verdict(cell) if (row, dataset) in results else None
        if now is not None and now.state == "contaminated":
            rows.append((row, dataset))
    return list(dict.fromkeys(rows))
