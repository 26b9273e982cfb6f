"""What a table must say of a task beside its numbers: its protocol, and the fields that do not vary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from benchmark.api import PROTOCOL
from benchmark.registry import TASKS


class Asked(Protocol):
    """As much of an entry as is needed here."""

    task: str
    variant: dict[str, Any]


def protocol_mark(task: str) -> str:
    """Behind a title: nothing under this project's protocol, else which one it is."""
    protocol = TASKS.get(task).protocol
    return "" if protocol == PROTOCOL else f" (protocol {protocol}: no fair comparison)"


def protocol_warnings(entries: Sequence[Asked]) -> list[str]:
    """One line for every task that follows another protocol."""
    tasks = dict.fromkeys(entry.task for entry in entries if protocol_mark(entry.task))
    return [
        f"NOT COMPARABLE: {task} follows {TASKS.get(task).protocol}, which explains published numbers; "
        f"do not hold them against those of {PROTOCOL}."
        for task in tasks
    ]


def fixed_fields(entries: Sequence[Asked]) -> list[str]:
    """Per task the fields that are the same in all of its entries: ``linear_probe: trials 16, layer features.``"""
    lines = []
    for task in dict.fromkeys(entry.task for entry in entries):
        variants = [entry.variant for entry in entries if entry.task == task]
        fixed = {name: value for name, value in variants[0].items() if all(v[name] == value for v in variants)}
        if fixed:
            lines.append(f"{task}: " + ", ".join(f"{name} {value}" for name, value in fixed.items()) + ".")
    return lines
