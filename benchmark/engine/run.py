"""Run the cells of one job: each is answered, scored and stored by the worker; a failure is a record."""

from __future__ import annotations

import shutil
import time
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmark.api import Predictions, Scores
from benchmark.canonical import canonical
from benchmark.configuration import complete
from benchmark.data.signals.conditions import SignalCondition
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.caveats import annotate
from benchmark.engine.context import LabelledRows, MethodHandle, TaskContext
from benchmark.engine.events import Event, EventSink
from benchmark.engine.features import cached_signal
from benchmark.engine.group_data import GroupData
from benchmark.engine.preemption import Preempted, asked_to_stop
from benchmark.engine.pretraining import pretrain
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.planning.plan import Cell, CellGroup, find_method
from benchmark.planning.training_config import SELECTIONS, TrainingConfig
from benchmark.records import provenance
from benchmark.records.record import RunRecord, RunSpec, datasets_of
from benchmark.records.store import Store
from benchmark.registry import DATASETS, METHODS, TASKS


def run_group(job: CellGroup, home: Home, device: str, on_event: EventSink) -> Counter[str]:
    """Run every cell of a job that has no finished record yet; return how many ended in which status.

    Raises `Preempted` between two cells when asked to stop.
    """
    store, ended = Store(home.records), Counter[str]()
    first = job.cells[0].spec
    try:
        opened = GroupData(home, first.limit)
        opened.data(first.dataset, first.dataset_config)
        source = _source(job.cells[0], home, device, on_event)
    except Exception as error:
        for cell in job.cells:
            ended[_store_failure(store, cell, error, 0.0, on_event)] += 1
        return ended
    for cell in job.cells:
        if _finished(cell.spec, store, opened):
            ended["done"] += 1
            continue
        if asked_to_stop():
            raise Preempted(f"{job.title}: asked to stop, stopped before {cell.title}")
        on_event(Event("begin", cell.title, status=cell.spec.key))
        ended[_run_cell(cell, opened, source, store, home, on_event)] += 1
    return ended


def _source(cell: Cell, home: Home, device: str, on_event: EventSink) -> MethodHandle:
    """Find the weights of a job, pre-training them if the suite asks for it."""
    spec = cell.spec
    find_method(spec.method, cell.python)
    weights, weights_digest = Path(cell.weights_file) if cell.weights_file else None, spec.weights
    if spec.pretraining is not None:
        made = pretrain(spec.method, spec.method_version, spec.method_config, spec.pretraining, home, on_event, device)
        weights, weights_digest = made.weights, made.sha256
    return MethodHandle(spec.method, spec.method_config, spec.method_version, weights, weights_digest, device)


def _finished(spec: RunSpec, store: Store, opened: GroupData) -> bool:
    """Whether there is a finished record made from the data at hand; `_run_cell` reports what cannot be opened."""
    existing = store.get(spec)
    try:
        return existing is not None and existing.done and existing.digests == opened.digests(spec)
    except BenchmarkError:
        return False


def _run_cell(
    cell: Cell, opened: GroupData, source: MethodHandle, store: Store, home: Home, on_event: EventSink
) -> str:
    spec, started = cell.spec, time.monotonic()
    try:
        data = opened.data(spec.dataset, spec.dataset_config)
        view = opened.view(data, spec.label_set)
        scratch = home.scratch / f"{spec.key}-{data.digest}"
        task = TASKS.get(spec.task)(**spec.task_config)
        context = _context(spec, opened, source, home, on_event, scratch)
        predictions = task.predict(context)
        scores = task.score(predictions, view.truth(data))
        record = _record(cell, predictions, scores, opened, source, time.monotonic() - started)
        record.primary, record.higher_is_better = task.primary, task.higher_is_better
        annotate(record, cell, data, view, cached_signal(source.identity, lambda: source.method, home.features), home)
        record.notes = [*record.notes, *selection_notes(cell)]
        record.resampling, record.cost = scores.resampling, context.cost
        arrays = {**predictions.arrays, **scores.per_recording}
        store.put(spec, record, arrays, scores.resampled, _named(predictions, view, data))
        shutil.rmtree(scratch, ignore_errors=True)
    except Exception as error:
        return _store_failure(store, cell, error, time.monotonic() - started, on_event)
    shown = {task.primary: scores.metrics[task.primary]} if task.primary in scores.metrics else {}
    on_event(Event("cell", cell.title, values=shown, status="done"))
    return "done"


def _context(
    spec: RunSpec, opened: GroupData, source: MethodHandle, home: Home, on_event: EventSink, scratch: Path
) -> TaskContext:
    """What a task sees of the cell's dataset, with the one that it learns from if that is another."""
    learns_from = None
    if spec.source is not None:
        place = {name: spec.source[name] for name in ("dataset", "dataset_config", "label_set")}
        learns_from = _context(replace(spec, **place, source=None), opened, source, home, on_event, scratch)
    data = opened.data(spec.dataset, spec.dataset_config)
    return TaskContext(
        data,
        opened.view(data, spec.label_set),
        source,
        spec.dataset,
        spec.label_set,
        home.features,
        home.subsets,
        on_event,
        spec.training,
        opened.rows(data),
        SignalCondition.from_json(spec.signal),
        learns_from,
        scratch,
        home.decoders,
    )


def _named(predictions: Predictions, view: LabelledRows, data: PreparedDataset) -> dict[str, list[str]]:
    """An predictions's texts with the ids of their recordings; nothing where it has none."""
    ids = [str(name) for name in data.record_ids[view.rows["test"]]]
    return {"record_ids": ids, **predictions.texts} if predictions.texts else {}


def _record(
    cell: Cell, predictions: Predictions, scores: Scores, opened: GroupData, source: MethodHandle, seconds: float
) -> RunRecord:
    spec = cell.spec
    data = opened.data(spec.dataset, spec.dataset_config)
    data_digest, source_digest = opened.digests(spec)
    sizes = {split: len(rows) for split, rows in opened.view(data, spec.label_set).rows.items()}
    subset = predictions.details.get("subset")
    return RunRecord(
        key=spec.key,
        spec=spec.to_json(),
        question=cell.question,
        status="done",
        metrics=_rounded(scores.metrics),
        intervals={name: (round(low, 6), round(high, 6)) for name, (low, high) in scores.intervals.items()},
        per_class={name: _rounded(values) for name, values in scores.per_class.items()},
        details=predictions.details,
        notes=[*data.warnings, *scores.notes],
        config=full_config(spec),
        subgroups=scores.subgroups,
        analysis=scores.analysis,
        data_digest=data_digest,
        source_digest=source_digest,
        synthetic=any(opened.data(*dataset).synthetic for dataset in datasets_of(spec)),
        partial=spec.limit is not None,
        n={**sizes, "train": subset["n"]} if subset else sizes,
        provenance=provenance.collect(
            weights=source.weights_digest,
            device=source.device.split(":")[0],
            precision=source.precision,
            **_external_environment(spec),
        ),
        seconds=round(seconds, 3),
    )


def _external_environment(spec: RunSpec) -> dict[str, Any]:
    """Versions in the method's own interpreter, if it has one."""
    found = getattr(METHODS.get(spec.method), "environment", None)
    return {} if found is None else {"elsewhere": found}


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}


def _store_failure(store: Store, cell: Cell, error: BaseException, seconds: float, on_event: EventSink) -> str:
    """Keep a failed cell as a record with its traceback."""
    text = "".join(traceback.format_exception(error))
    fault = {"kind": type(error).__name__, "message": str(error), "traceback": text}
    store.put(cell.spec, failed_record(cell, fault, seconds))
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    on_event(Event("cell", f"{cell.title}: {reason}", status="failed"))
    return "failed"


def full_config(spec: RunSpec) -> dict[str, Any]:
    """All options of a cell, defaults included: for the reader of a record."""
    found = {
        "method": complete(METHODS.get(spec.method), spec.method_config, spec.method),
        "dataset": complete(DATASETS.get(spec.dataset), spec.dataset_config, spec.dataset),
    }
    if spec.training is not None:
        found["training"] = complete(TrainingConfig, spec.training, "training")
    if spec.pretraining is not None:
        found["pretraining"] = complete(TrainingConfig, spec.pretraining["training"], "pretraining")
    return {name: canonical(options) for name, options in found.items()}


def selection_notes(cell: Cell) -> list[str]:
    """What every table must say of weights whose epoch was chosen with labels."""
    recipe = cell.spec.pretraining
    if recipe is None or recipe["training"].get("select") != "zero_shot_val":
        return []
    return [f"the weights of {cell.row} were {SELECTIONS['zero_shot_val']}"]


def failed_record(cell: Cell, fault: dict[str, str], seconds: float) -> RunRecord:
    spec = cell.spec
    return RunRecord(
        key=spec.key,
        spec=spec.to_json(),
        question=cell.question,
        status="failed",
        error=fault,
        partial=spec.limit is not None,
        provenance=provenance.collect(),
        seconds=round(seconds, 3),
    )


def limit_threads(threads: int) -> None:
    """Give this process `threads` cores, in torch and in BLAS."""
    import torch

    torch.set_num_threads(threads)
    threadpool_limits(threads)
