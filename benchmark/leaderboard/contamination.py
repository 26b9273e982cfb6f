"""Contamination notes for the tables: one line per dataset, state and reasons, with the rows that it concerns."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.leaderboard.summary import Entry


def contamination_notes(entries: Iterable[Entry]) -> list[str]:
    """Return lines such as ``ptbxl, leaks: merl contaminated: its weights saw ...``.

    Records that were made before there was a verdict add nothing.
    """
    rows: dict[tuple[str, str, str], list[str]] = {}
    for entry in entries:
        for result in entry.results:
            if result.leak is not None:
                place = (entry.dataset, result.leak["state"], "; ".join(result.leak["reasons"]))
                rows.setdefault(place, []).append(entry.row)
    return [
        f"{dataset}, leaks: {', '.join(dict.fromkeys(names))} {state}: {reasons}."
        for (dataset, state, reasons), names in rows.items()
    ]


def contaminated_rows(entries: Iterable[Entry]) -> list[str]:
    """Return ``merl on ptbxl`` for each row with a number whose record says that it is contaminated."""
    rows = [
        f"{entry.row} on {entry.dataset}"
        for entry in entries
        for result in entry.results
        if result.leak is not None and result.leak["state"] == "contaminated"
    ]
    return list(dict.fromkeys(rows))
