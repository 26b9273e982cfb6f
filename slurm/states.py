"""States of submitted cells, from records and journals on disk and from one query of the queue, if available.

The disk takes precedence: a cell with a record is done or failed, whatever the scheduler reports for its job.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple

from benchmark.paths import Home
from benchmark.records.index import Entry, read_index
from slurm import queue
from slurm.queue import NoSchedulerError, Queued, SchedulerBusyError
from slurm.submission import Submission, SubmittedCell, SubmittedUnit, submissions

KINDS = {  # option of retry -> kinds of failure in records, and the same end of a job in accounting
    "oom": ("OutOfMemory", "OutOfMemoryError", "MemoryError", "oom"),
    "timeout": ("Timeout", "timeout"),
}


class Standing(NamedTuple):
    """A submitted cell. `state` is done, failed, queued, running or lost (the job ended without its record)."""

    cell: SubmittedCell
    submission: Submission
    state: str
    kind: str = ""  # of a failure, or how the job of a lost one ended
    message: str = ""


def look(patience: float = 30.0, say: Callable[[str], None] = queue.tell) -> dict[str, Queued] | None:
    """Return the queue; if no scheduler answers, say so and return None."""
    try:
        return queue.queue(patience, say)
    except NoSchedulerError:
        say("no scheduler on this machine: queued and running cells are told by the heartbeats on disk")
    except SchedulerBusyError as error:
        say(f"{error}; what follows is from the disk alone")
    return None


def standings(
    home: Home,
    suite: str | None = None,
    jobs: dict[str, Queued] | None = None,
    ask_how: bool = False,
    index: dict[str, Entry] | None = None,
) -> list[Standing]:
    """Return the state of every cell that was ever submitted; the newest submission of a cell counts.

    `jobs` is the queue (None: unknown). With `ask_how`, query the accounting once for how lost jobs ended.
    """
    index = read_index(home) if index is None else index
    newest: dict[str, tuple[Submission, SubmittedCell]] = {}
    for submission in submissions(home, suite):
        newest |= {cell.key: (submission, cell) for cell in submission.cells}
    units: dict[tuple[str, int], str] = {}
    how = _how_ended(newest.values(), index, jobs) if ask_how else {}
    cells = []
    for key, (submission, cell) in newest.items():
        entry = index.get(key)
        if entry is not None:
            cells.append(Standing(cell, submission, entry.status, entry.kind, entry.message))
            continue
        place = (submission.name, cell.unit)
        if place not in units:
            units[place] = _unit_state(submission, submission.units[cell.unit], jobs)
        state = units[place]
        kind = how.get(_jobs(submission).get(cell.unit, ""), "") if state == "lost" else ""
        cells.append(Standing(cell, submission, state, kind))
    return cells


def under_way(home: Home, look: Callable[[], dict[str, Queued] | None] = queue.queue) -> dict[str, str]:
    """Return the state of queued and running cells without a record, by key; query a scheduler only if needed."""
    index = read_index(home)
    open_ones = [
        submission
        for submission in submissions(home)
        if any(cell.key not in index for cell in submission.cells) and submission.jobs()
    ]
    if not open_ones:
        return {}
    cells = standings(home, None, look(), index=index)
    return {standing.cell.key: standing.state for standing in cells if standing.state in (queue.PENDING, queue.RUNNING)}


def _unit_state(submission: Submission, unit: SubmittedUnit, jobs: dict[str, Queued] | None) -> str:
    job = _jobs(submission).get(unit.number)
    if jobs is not None:
        return jobs[job].state if job in jobs else "lost"
    if unit.number in _units_started(submission):
        return queue.RUNNING if submission.beating(unit.number) else "lost"
    return queue.PENDING if job else "lost"


@functools.lru_cache(maxsize=64)
def _jobs(submission: Submission) -> dict[int, str]:
    """Read the jobs once per refresh, which creates new `Submission` objects."""
    return submission.jobs()


@functools.lru_cache(maxsize=64)
def _units_started(submission: Submission) -> set[int]:
    return submission.units_started()


def _how_ended(
    cells: Iterable[tuple[Submission, SubmittedCell]], index: dict[str, Entry], jobs_seen: dict[str, Queued] | None
) -> dict[str, str]:
    jobs = {_jobs(submission).get(cell.unit, "") for submission, cell in cells if cell.key not in index}
    return queue.end_states(job for job in jobs if job and job not in (jobs_seen or {}))


def select(cells: Iterable[Standing], failed: bool, oom: bool, timeout: bool) -> list[Standing]:
    """Return the cells that `retry` runs again: failed and lost ones, or only the requested kinds."""
    several = [*cells]
    if not (failed or oom or timeout):
        return [standing for standing in several if standing.state in ("failed", "lost")]
    kinds = {*(KINDS["oom"] if oom else ()), *(KINDS["timeout"] if timeout else ())}
    return [
        standing
        for standing in several
        if (failed and standing.state == "failed") or (standing.state in ("failed", "lost") and standing.kind in kinds)
    ]
