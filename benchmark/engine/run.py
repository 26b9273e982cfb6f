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

from benchmark.api import Answer, Scores
from benchmark.canonical import canonical
from benchmark.configuration import complete
from benchmark.data.signals.conditions import Condition
from benchmark.data.store.prepared import PreparedDataset
from benchmark.records import provenance
from benchmark.engine.caveats import annotate
from benchmark.engine.context import LabelledRows, MethodSource, TaskContext
from benchmark.engine.events import Event, Report
from benchmark.engine.features import cached_signal
from benchmark.engine.group_data import Opened
from benchmark.planning.plan import Cell, Job, find_method
from benchmark.engine.preemption import Preempted, asked_to_stop
from benchmark.engine.pretraining import pretrain
from benchmark.records.record import RunRecord, RunSpec, datasets_of
from benchmark.planning.training_config import SELECTIONS, TrainingConfig
from benchmark.records.store import Store
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.registry import DATASETS, METHODS, TASKS


def run_job(job: Job, home: Home, device: str, report: Report) -> Counter[str]:
    """Run every cell of a job that has no finished record yet; return how many ended in which status.

    Raises `Preempted` between two cells when asked to stop.
    """
    store, ended = Store(home.records), Counter[str]()
    first = job.cells[0].spec
    try:
        opened = Opened(home, first.limit)
        opened.data(first.dataset, first.dataset_config)
        source = _source(job.cells[0], home, device, report)
    except Exception as error:
        for cell in job.cells:
            ended[_store_failure(store, cell, error, 0.0, report)] += 1
        return ended
    for cell in job.cells:
        if _finished(cell.spec, store, opened):
            ended["done"] += 1
            continue
        if asked_to_stop():
            raise Preempted(f"{job.title}: asked to stop, stopped before {cell.title}")
        report(Event("begin", cell.title, status=cell.spec.key))
        ended[_run_cell(cell, opened, source, store, home, report)] += 1
    return ended


def _source(cell: Cell, home: Home, device: str, report: Report) -> MethodSource:
    """Find the weights of a job, pre-training them if the suite asks for it."""
    spec = cell.spec
    find_method(spec.method, cell.python)
    weights, weights_digest = Path(cell.weights_file) if cell.weights_file else None, spec.weights
    if spec.pretraining is not None:
        made = pretrain(spec.method, spec.method_version, spec.method_config, spec.pretraining, home, report, device)
        weights, weights_digest = made.weights, made.sha256
    return MethodSource(spec.method, spec.method_config, spec.method_version, weights, weights_digest, device)


def _finished(spec: RunSpec, store: Store, opened: Opened) -> bool:
    """Whether there is a finished record made from the data at hand; `_run_cell` reports what cannot be opened."""
    existing = store.get(spec)
    try:
        return existing is not None and existing.done and existing.digests == opened.digests(spec)
    except BenchmarkError:
        return False


def _run_cell(cell: Cell, opened: Opened, source: MethodSource, store: Store, home: Home, report: Report) -> str:
    spec, started = cell.spec, time.monotonic()
    try:
        data = opened.data(spec.dataset, spec.dataset_config)
        view = opened.view(data, spec.label_set)
        scratch = home.scratch / f"{spec.key}-{data.digest}"
        task = TASKS.get(spec.task)(**spec.task_config)
        context = _context(spec, opened, source, home, report, scratch)
        answer = task.answer(context)
        scores = task.score(answer, view.truth(data))
        record = _record(cell, answer, scores, opened, source, time.monotonic() - started)
        record.primary, record.higher_is_better = task.primary, task.higher_is_better
        annotate(record, cell, data, view, cached_signal(source.identity, lambda: source.method, home.features), home)
        record.notes = [*record.notes, *selection_notes(cell)]
        record.resampling, record.cost = scores.resampling, context.cost
        predictions = {**answer.predictions, **scores.predictions}
        store.put(spec, record, predictions, scores.resampled, _named(answer, view, data))
        shutil.rmtree(scratch, ignore_errors=True)
    except Exception as error:
        return _store_failure(store, cell, error, time.monotonic() - started, report)
    shown = {task.primary: scores.metrics[task.primary]} if task.primary in scores.metrics else {}
    report(Event("cell", cell.title, values=shown, status="done"))
    return "done"


def _context(
    spec: RunSpec, opened: Opened, source: MethodSource, home: Home, report: Report, scratch: Path
) -> TaskContext:
    """What a task sees of the cell's dataset, with the one that it learns from if that is another."""
    learns_from = None
    if spec.source is not None:
        place = {name: spec.source[name] for name in ("dataset", "dataset_config", "label_set")}
        learns_from = _context(replace(spec, **place, source=None), opened, source, home, report, scratch)
    data = opened.data(spec.dataset, spec.dataset_config)
    return TaskContext(
        data,
        opened.view(data, spec.label_set),
        source,
        spec.dataset,
        spec.label_set,
        home.features,
        home.subsets,
        report,
        spec.training,
        opened.rows(data),
        Condition.from_json(spec.signal),
        learns_from,
        scratch,
        home.decoders,
    )


def _named(answer: Answer, view: LabelledRows, data: PreparedDataset) -> dict[str, list[str]]:
    """An answer's texts with the ids of their recordings; nothing where it has none."""
    ids = [str(name) for name in data.record_ids[view.rows["test"]]]
    return {"record_ids": ids, **answer.texts} if answer.texts else {}


def _record(
    cell: Cell, answer: Answer, scores: Scores, opened: Opened, source: MethodSource, seconds: float
) -> RunRecord:
    spec = cell.spec
    data = opened.data(spec.dataset, spec.dataset_config)
    data_digest, source_digest = opened.digests(spec)
    sizes = {split: len(rows) for split, rows in opened.view(data, spec.label_set).rows.items()}
    subset = answer.details.get("subset")
    return RunRecord(
        key=spec.key,
        spec=spec.to_json(),
        question=cell.question,
        status="done",
        metrics=_rounded(scores.metrics),
        intervals={name: (round(low, 6), round(high, 6)) for name, (low, high) in scores.intervals.items()},
        per_class={name: _rounded(values) for name, values in scores.per_class.items()},
        details=answer.details,
        notes=[*data.marks, *scores.notes],
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
            **_elsewhere(spec),
        ),
        seconds=round(seconds, 3),
    )


def _elsewhere(spec: RunSpec) -> dict[str, Any]:
    """Versions in the method's own interpreter, if it has one."""
    found = getattr(METHODS.get(spec.method), "environment", None)
    return {} if found is None else {"elsewhere": found}


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}


def _store_failure(store: Store, cell: Cell, error: BaseException, seconds: float, report: Report) -> str:
    """Keep a failed cell as a record with its traceback."""
    text = "".join(traceback.format_exception(error))
    fault = {"kind": type(error).__name__, "message": str(error), "traceback": text}
    store.put(cell.spec, failed_record(cell, fault, seconds))
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    report(Event("cell", f"{cell.title}: {reason}", status="failed"))
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
