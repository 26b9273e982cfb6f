"""What a table must say of a task beside its numbers: its protocol, and the fields that do not vary."""

from __future__ import annotations

from benchmark.api import PROTOCOL
from benchmark.leaderboard.summary import Entry, varying
from benchmark.registry import TASKS


def protocol_mark(task: str) -> str:
    """Behind a title: nothing under this project's protocol, else which one it is."""
    protocol = TASKS.get(task).protocol
    return "" if protocol == PROTOCOL else f" (protocol {protocol}: no fair comparison)"


def protocol_warnings(entries: list[Entry]) -> list[str]:
    """One line for every task that follows another protocol."""
    tasks = dict.fromkeys(entry.task for entry in entries if protocol_mark(entry.task))
    return [
        f"NOT COMPARABLE: {task} follows {TASKS.get(task).protocol}, which explains published numbers; "
        f"do not hold them against those of {PROTOCOL}."
        for task in tasks
    ]


def fixed_fields(entries: list[Entry]) -> list[str]:
    """Per task the fields that no column names: ``linear_probe: trials 16, layer features.``"""
    lines = []
    for task in dict.fromkeys(entry.task for entry in entries):
        of_task = [entry for entry in entries if entry.task == task]
        named = varying(of_task)
        fixed = {name: value for name, value in of_task[0].variant.items() if name not in named}
        if fixed:
            lines.append(f"{task}: " + ", ".join(f"{name} {value}" for name, value in fixed.items()) + ".")
    return lines
