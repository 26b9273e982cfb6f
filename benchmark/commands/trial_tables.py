"""Trials of a tuned row as text and as JSON, for `ecgarena tune` and `plan`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.engine.tuning import Search
    from benchmark.records.trials import Trial


def row_json(search: Search, choice: dict[str, Any] | None) -> dict[str, Any]:
    tuning = search.tuning
    trials = [
        {
            "number": number,
            "state": search.progress.states.get(number, "open"),
            "values": trial.values,
            "origin": trial.origin,
            "scores": trial.scores,
            "recordings": trial.recordings,
            "seconds": trial.seconds,
            "error": (trial.error or {}).get("message"),
        }
        for number, trial in sorted(search.trials.items())
    ]
    budget = {**tuning.table.model_dump(), **tuning.cost()}
    head = {"row": tuning.row, "tuning": tuning.digest, "measure": tuning.measure, "budget": budget}
    return {**head, "trials": trials, "unusable": search.unusable, "choice": choice}


def cost_line(search: Search) -> str:
    """Return ``8 trials of 136, then 3 of 408 steps: 11 trainings, 295,936 recordings; 4 of 11 trainings done``."""
    tuning, cost = search.tuning, search.tuning.cost()
    rungs = ", then ".join(
        f"{size} of {length:,}" for size, length in zip(tuning.sizes, tuning.table.rungs, strict=True)
    )
    count = sum(len(trial.rungs) + bool(trial.error) for trial in search.trials.values())
    about = "about " if tuning.table.unit == "recordings" else ""
    return (
        f"trials: {rungs} {tuning.table.unit}, {cost['trainings']} trainings, {about}{cost['recordings']:,} "
        f"recordings; {count} of {cost['trainings']} trainings done"
    )


def row_lines(search: Search, choice: dict[str, Any] | None) -> Iterator[str]:
    """Yield the lines on a row: its budget, a table of its trials, the best first, and what was chosen."""
    tuning = search.tuning
    yield f"{tuning.row}: {cost_line(search)}"
    yield f"  chosen by {tuning.measure}"
    if tuning.own is None:
        yield "  the row's own values lie outside of its space, so no trial has them"
    yield from _table(search)
    for number, trial in sorted(search.trials.items()):
        if trial.error:
            yield f"  trial {number} failed: {str(trial.error['message']).splitlines()[0]}"
    for number, reason in search.unusable.items():
        yield f"  trial {number} does not count: {reason}"
    if search.outdated:
        numbers = ", ".join(map(str, search.outdated))
        yield f"  other code of the method than is installed made the trials {numbers}; --again makes all anew"
    if choice is not None:
        values = ", ".join(f"{name} = {value}" for name, value in choice["values"].items())
        seconds = sum(trial.seconds for trial in search.trials.values())
        yield f"  chosen: trial {choice['trial']}: {values}; {choice['recordings']:,} recordings in {seconds:,.0f} s"
    elif search.progress.finished:
        yield "  nothing was chosen: no trial reached the last rung"


def _table(search: Search) -> Iterator[str]:
    """Yield a line of headings and one for each trial: number, state, score at each rung, values."""
    names = [parameter.name for parameter in search.tuning.space]
    rungs = [f"{length} {search.tuning.table.unit}" for length in search.tuning.table.rungs]
    widths = [max(len(name), 10) for name in names]
    headings = [f"{rung:>12s}" for rung in rungs] + [
        f"{name:>{width}s}" for name, width in zip(names, widths, strict=True)
    ]
    yield "  ".join(["trial", f"{'state':8s}", *headings])
    for trial in sorted(search.trials.values(), key=lambda trial: _order(search, trial)):
        scores = [f"{score:>12.6f}" for score in trial.scores] + [" " * 12] * (len(rungs) - len(trial.scores))
        values = [f"{trial.values[name]!s:>{width}s}" for name, width in zip(names, widths, strict=True)]
        remark = ["the row's own values"] if trial.origin == "own" else []
        state = search.progress.states.get(trial.number, "open")
        yield "  ".join([f"{trial.number:5d}", f"{state:8s}", *scores, *values, *remark])


def _order(search: Search, trial: Trial) -> tuple[float, ...]:
    """Return a key that is smaller for trials of more rungs, then of better scores, then of lower numbers."""
    sign = -1 if search.tuning.maximise else 1
    return -len(trial.rungs), sign * trial.scores[-1] if trial.scores else 0.0, trial.number
