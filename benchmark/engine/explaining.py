"""Steps from this project's number to a published one, each changing one detail of the protocol.

Each step is a cell of its own: stored, resumed and cached as any other, under the protocol that its task names.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from benchmark.cache.checksums import sha256_of
from benchmark.canonical import canonical
from benchmark.configuration import distinct
from benchmark.engine.events import EventSink
from benchmark.engine.run import run_group
from benchmark.errors import UsageError
from benchmark.paths import Home
from benchmark.planning.plan import Cell, CellGroup
from benchmark.planning.skips import skip_reason_of
from benchmark.records.record import RunRecord
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store
from benchmark.registry import TASKS


def explain(
    record: RunRecord, changes: dict[str, Any], weights: Path | None, home: Home, device: str, on_event: EventSink
) -> list[dict[str, Any]]:
    """Run every step from the cell to the published protocol and return a row for each, the cell itself first.

    `changes` are fields set on every step (epochs, say); `weights` the checkpoint that the cell was made with.
    Raises `UsageError` for a cell that is not done, whose task has no such steps, or that has other weights.
    """
    spec = RunSpec(**record.spec)
    task = TASKS.get(spec.task)(**spec.task_config)
    steps = task.reproduction_steps()
    if not record.done or not steps:
        reason = "it failed" if steps else f"{spec.task} has no steps to a published protocol"
        raise UsageError(f"the cell {record.key} cannot be explained: {reason}")
    if spec.weights is not None and (weights is None or sha256_of(weights) != spec.weights):
        raise UsageError(f"the cell was made with a checkpoint of sha256 {spec.weights}; name it with --weights FILE")
    store, rows = Store(home.records), [_row("as it is here", record)]
    for step in steps:
        task_class: Any = TASKS.get(step.task)
        question = task_class(**{**step.fields, **changes})
        skip_note = skip_reason_of(question, spec.method, spec.dataset, spec.label_set)
        if skip_note:
            rows.append({"change": step.change, "status": "skipped", "reason": skip_note})
            continue
        cell = _cell(spec, step.task, question, weights)
        run_group(CellGroup([cell]), home, device, on_event)
        stored_record = store.get(cell.spec)
        assert stored_record is not None  # run_group has stored it, failed or done
        rows.append(_row(step.change, stored_record))
    return _with_differences(rows)


def _cell(spec: RunSpec, task: str, question: Any, weights: Path | None) -> Cell:
    fields = canonical(dataclasses.asdict(question))
    cell_spec = dataclasses.replace(
        spec,
        task=task,
        task_version=question.version,
        task_config=distinct(type(question), fields, f"task {task}"),
        task_inputs={},
        protocol=question.protocol,
    )
    return Cell(cell_spec, spec.method, fields, str(weights) if weights else None)


def _row(change: str, record: RunRecord) -> dict[str, Any]:
    row = {"change": change, "status": record.status, "key": record.key, "task": record.spec["task"]}
    row |= {"protocol": record.spec["protocol"], "fields": record.question, "seconds": record.seconds}
    if not record.done:
        return {**row, "reason": (record.error or {}).get("message", "")}
    interval = record.intervals.get(record.primary)
    return {**row, "metric": record.primary, "value": record.metrics.get(record.primary), "interval": interval}


def _with_differences(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each step its difference from the previous step, skipping steps without a value."""
    last = None
    for row in rows:
        value = row.get("value")
        if value is not None and last is not None:
            row["difference"] = round(value - last, 6)
        last = last if value is None else value
    return rows
