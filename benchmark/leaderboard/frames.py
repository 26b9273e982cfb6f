"""Data frames of cells and of table entries, for notebooks: one row each, every number under its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.planning.plan import Cell, Plan
from benchmark.planning.standing import RECORDS_ALONE, AtHand, stand
from benchmark.records.index import Entry, check_resampled, entry_of, unusable_entry
from benchmark.records.paths import RECORD
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record
from benchmark.records.store import Store, place_of
from benchmark.records.tidy import KINDS, tidy, tidy_question

if TYPE_CHECKING:
    import pandas

    from benchmark.leaderboard.tables import Leaderboard

FIRST = ("row", "method", "task", "dataset", "label_set", "signal", "fraction", "seed", "member", "state", "why")
NUMBERS = ("primary", "value", "low", "high")
RESAMPLED_COLUMN = "resampled"


def cells_frame(plan: Plan, store: Store, now: AtHand = RECORDS_ALONE, resampled: bool = False) -> pandas.DataFrame:
    """Return a row per cell of the plan: what was asked, where it stands, every metric, and what made it.

    The columns are those of `benchmark.records.tidy`, with ``state`` and ``why`` (see `planning.standing`) and the
    ``member`` of a row that was trained several times. A number is there where a table would show it: cells that are
    missing, failed, stale or unusable have none. With `resampled`, the column of that name holds the primary metric on
    each resample of the test patients, ``(resamples,)`` float32.
    """
    import pandas

    rows = [_cell_row(cell, store, now, resampled) for cell in plan.cells]
    names = list(dict.fromkeys(name for row in rows for name in row))
    metrics = [name for name in names if name not in KINDS and name not in (*FIRST, RESAMPLED_COLUMN)]
    rest = [name for name in names if name not in (*FIRST, *NUMBERS, *metrics)]
    frame = pandas.DataFrame(rows, columns=[*FIRST, *NUMBERS, *metrics, *rest])
    return frame.astype({"seed": "Int64", "member": "Int64"})


def _cell_row(cell: Cell, store: Store, now: AtHand, resampled: bool) -> dict[str, Any]:
    entry, record = _read(cell, store)
    standing = stand(cell, entry, now)
    answer = record if record is not None and standing.state in ("done", "outdated") else None
    spec = cell.spec
    columns = (
        tidy_question(spec.key, spec.to_json(), cell.question, cell.row) if answer is None else tidy(answer, cell.row)
    )
    columns |= {"member": cell.member, "state": standing.state, "why": standing.why}
    if resampled:
        columns[RESAMPLED_COLUMN] = None if answer is None else store.resampled(spec)
    return columns


def _read(cell: Cell, store: Store) -> tuple[Entry | None, RunRecord | None]:
    """Return a cell's record, whole and in short; the short form says why where it cannot be believed."""
    place = place_of(cell.spec)
    try:
        content = store.files.read(place, RECORD)
        if content is None:
            return None, None
        record = parse_record(content, cell.spec.key)
        check_resampled(store.files, place, record)
    except UnusableRecordError as error:
        return unusable_entry(*place, error), None
    return entry_of(record, cell.spec.task, cell.spec.method), record


def entries_frame(board: Leaderboard) -> pandas.DataFrame:
    """Return a row per entry of the tables: the mean over seeds and trainings, its spread, interval and marks.

    Each field of the task that forms a column of the tables (``fraction``, ``subset`` ...) is a column here.
    """
    import pandas

    rows = []
    for table in board.tables:
        for (row, column), entry in table.body.items():
            low, high = (entry.interval if entry.values else None) or (None, None)
            ranking = table.rankings[column]
            rows.append(
                {
                    **{name: getattr(entry, name) for name in ("row", "method", "task", "dataset", "label_set")},
                    **entry.variant,
                    "metric": entry.results[0].primary if entry.results else None,
                    "mean": entry.mean if entry.values else None,
                    "sd": entry.spread if entry.values else None,
                    "low": low,
                    "high": high,
                    "p": ranking.p_values.get(row),
                    "best": row in ranking.best,
                    "tied": row in ranking.tied,
                    "baseline": entry.is_baseline,
                    "results": len(entry.values),
                    "absent": entry.missing + entry.failures,
                }
            )
    return pandas.DataFrame(rows)
