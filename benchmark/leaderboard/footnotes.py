"""Footnotes of a table: the protocol of each task, and its fields that do not vary."""

from __future__ import annotations

from benchmark.api import PROTOCOL
from benchmark.leaderboard.summary import Entry, varying
from benchmark.leaderboard.words import options_words, task_words
from benchmark.planning.plan import Plan, TaskFacts


def protocol_mark(task: TaskFacts) -> str:
    """Return the suffix of a title: the protocol, or nothing under this project's own."""
    return "" if task.protocol == PROTOCOL else f" (protocol {task.protocol}: no fair comparison)"


def protocol_warnings(entries: list[Entry]) -> list[str]:
    """Return a line for every task that follows another protocol."""
    tasks = {entry.task: entry.facts for entry in entries if protocol_mark(entry.facts)}
    return [
        f"NOT COMPARABLE: {task} follows {facts.protocol}, which explains published numbers; "
        f"do not hold them against those of {PROTOCOL}."
        for task, facts in tasks.items()
    ]


def fixed_fields(entries: list[Entry], plan: Plan) -> list[str]:
    """Return the fields of each task that no column names and the suite sets: ``Linear probe: trials 64.``

    Fields at their defaults are left out; the CSV has them all.
    """
    lines = []
    for task in dict.fromkeys(entry.task for entry in entries):
        of_task = [entry for entry in entries if entry.task == task]
        varying_fields = varying(of_task)
        choices = {name for cell in plan.cells if cell.spec.task == task for name in cell.spec.task_config}
        constants = {
            name: value for name, value in of_task[0].variant.items() if name in choices and name not in varying_fields
        }
        if constants:
            lines.append(f"{task_words(task)}: {options_words(constants)}.")
    return lines
