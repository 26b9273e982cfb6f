"""Notes on the hardware and the numerical precision behind the numbers of a table.

Features in bf16 differ from those in fp32 by rounding. That can change which penalty or `k` a probe chooses where two
are nearly tied, and so a number of the table (docs/reproducing.md has the measured sizes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmark.leaderboard.summary import Entry
from benchmark.records.table_fields import Result


def mixed_machines(entries: Sequence[Entry]) -> list[str]:
    """Return ``merl × linear_probe (bf16 and fp32)`` for rows with numbers from several machines or precisions."""
    places = dict.fromkeys((entry.row, entry.task) for entry in entries)
    lines = []
    for row, task in places:
        of_row = [entry for entry in entries if (entry.row, entry.task) == (row, task)]
        several = [sorted(values) for name in ("hardware", "precision") if len(values := _values(of_row, name)) > 1]
        lines += [f"{row} × {task} ({' and '.join(values)})" for values in several]
    return lines


def mixed_weights(results: Iterable[tuple[str, int | None, Result]]) -> list[str]:
    """Return the rows of whose members one has numbers from several trainings of its recipe, given row and member.

    That is so where weights were lost and trained anew: on another machine they are others.
    """
    weights: dict[tuple[str, int | None], set[str]] = {}
    for row, member, result in results:
        if result.weights:
            weights.setdefault((row, member), set()).add(result.weights)
    return list(dict.fromkeys(row for (row, _), several in weights.items() if len(several) > 1))


def machine_notes(entries: Sequence[Entry]) -> list[str]:
    """Return which rows were computed on which hardware, where there is more than one, and which features in bf16."""
    lines = []
    rows_by_hardware = _rows_by(entries, "hardware")
    if len(rows_by_hardware) > 1:
        lines += [f"Computed on {hardware}: {'; '.join(rows)}." for hardware, rows in sorted(rows_by_hardware.items())]
    if bf16 := _rows_by(entries, "precision").get("bf16"):
        lines.append(f"Features computed in bf16, others in fp32: {'; '.join(bf16)}.")
    return lines


def training_notes(hardware: Mapping[str, Iterable[str | None]]) -> list[str]:
    """Return which rows were pre-trained on which hardware, where there is more than one.

    `hardware` is that of each row's trainings, None where no card says it.
    """
    rows: dict[str | None, dict[str, None]] = {}
    for row, several in hardware.items():
        for name in several:
            rows.setdefault(name, {})[row] = None
    unknown = rows.pop(None, {})
    if len(rows) < 2:
        return []
    lines = [f"Pre-trained on {name}: {'; '.join(names)}." for name, names in sorted(rows.items(), key=str)]
    return lines + ([f"Pre-trained on unknown hardware: {'; '.join(unknown)}."] if unknown else [])


def _rows_by(entries: Iterable[Entry], name: str) -> dict[str, list[str]]:
    rows: dict[str, dict[str, None]] = {}
    for entry in entries:
        for value in _values([entry], name):
            rows.setdefault(value, {})[entry.row] = None
    return {value: list(names) for value, names in rows.items()}


def _values(entries: Iterable[Entry], name: str) -> set[str]:
    """Return the different values of a field of the provenance; old records that keep none count as nothing."""
    return {str(value) for entry in entries for result in entry.results if (value := result.provenance.get(name))}
