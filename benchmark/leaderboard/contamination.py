"""What the leak gate says, for the tables: one line per dataset, state and reason, with the rows that it concerns."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.leaderboard.summary import Entry


def leak_lines(entries: Iterable[Entry]) -> list[str]:
    """``ptbxl, leaks: merl contaminated: its weights saw ...``; records from before the gate say nothing."""
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


def contaminated(entries: Iterable[Entry]) -> list[str]:
    """``merl on ptbxl``: rows with a number that the gate calls contaminated."""
    found = [
        f"{entry.row} on {entry.dataset}"
        for entry in entries
        for result in entry.results
        if result.leak is not None and result.leak["state"] == "contaminated"
    ]
    return list(dict.fromkeys(found))
