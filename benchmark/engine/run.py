"""Run the cells of one job: each is answered, scored and stored by the worker; a failure is a record."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmark.api import SPLITS, Answer, Scores
from benchmark.canonical import canonical
from benchmark.configuration import complete
from benchmark.data.preparation import open_dataset
from benchmark.data.prepared import PreparedDataset
from benchmark.engine import provenance
from benchmark.engine.context import LabelledRows, MethodSource, TaskContext
from benchmark.engine.events import Event, Report
from benchmark.engine.plan import Cell, Job
from benchmark.engine.pretraining import pretrain
from benchmark.engine.records import RunRecord, RunSpec
from benchmark.engine.store import Store
from benchmark.engine.training import TrainingConfig
from benchmark.paths import Home
from benchmark.registry import DATASETS, METHODS, TASKS


def run_job(job: Job, home: Home, device: str, report: Report) -> Counter[str]:
    """Run every cell of a job that has no finished record yet; return how many ended in which status."""
    store, ended = Store(home.records), Counter[str]()
    first = job.cells[0].spec
    try:
        data = open_dataset(first.dataset, first.dataset_config, home)
        source = _source(job.cells[0], home, device, report)
    except Exception as error:
        for cell in job.cells:
            ended[_store_failure(store, cell, error, 0.0, report)] += 1
        return ended
    views: dict[str, LabelledRows] = {}
    for cell in job.cells:
        existing = store.get(cell.spec)
        if existing is not None and existing.done and existing.data_digest == data.digest:
            ended["done"] += 1
            continue
        ended[_run_cell(cell, data, source, views, store, home, report)] += 1
    return ended


def _source(cell: Cell, home: Home, device: str, report: Report) -> MethodSource:
    """Find the weights of a job, pre-training them if the suite asks for it."""
    spec = cell.spec
    weights, weights_digest = Path(cell.weights_file) if cell.weights_file else None, spec.weights
    if spec.pretraining is not None:
        made = pretrain(spec.method, spec.method_version, spec.method_config, spec.pretraining, home, report, device)
        weights, weights_digest = made.weights, made.sha256
    return MethodSource(spec.method, spec.method_config, spec.method_version, weights, weights_digest, device)


def _run_cell(
    cell: Cell,
    data: PreparedDataset,
    source: MethodSource,
    views: dict[str, LabelledRows],
    store: Store,
    home: Home,
    report: Report,
) -> str:
    spec, started = cell.spec, time.monotonic()
    try:
        if spec.label_set not in views:
            views[spec.label_set] = LabelledRows.of(data, spec.label_set, spec.limit)
        view = views[spec.label_set]
        task = TASKS.get(spec.task)(**spec.task_config)
        context = TaskContext(
            data,
            view,
            source,
            spec.dataset,
            spec.label_set,
            home.features,
            home.subsets,
            report,
            spec.training,
            _all_rows(data, spec.limit),
        )
        answer = task.answer(context)
        scores = task.score(answer, view.truth(data))
        record = _record(cell, answer, scores, data, view, source, time.monotonic() - started)
        record.primary, record.higher_is_better = task.primary, task.higher_is_better
        store.put(spec, record, answer.predictions)
    except Exception as error:
        return _store_failure(store, cell, error, time.monotonic() - started, report)
    shown = {task.primary: scores.metrics[task.primary]} if task.primary in scores.metrics else {}
    report(Event("cell", cell.title, values=shown, status="done"))
    return "done"


def _all_rows(data: PreparedDataset, limit: int | None) -> np.ndarray:
    """The rows that features are extracted for: all, or those that any limited label set can name."""
    if limit is None:
        return np.arange(len(data))
    if not data.manifest["label_sets"]:
        return np.sort(np.concatenate([np.flatnonzero(data.splits == split)[:limit] for split in SPLITS]))
    views = (LabelledRows.of(data, name, limit) for name in data.manifest["label_sets"])
    return np.unique(np.concatenate([view.rows[split] for view in views for split in SPLITS]))


def _record(
    cell: Cell,
    answer: Answer,
    scores: Scores,
    data: PreparedDataset,
    view: LabelledRows,
    source: MethodSource,
    seconds: float,
) -> RunRecord:
    spec = cell.spec
    sizes = {split: len(rows) for split, rows in view.rows.items()}
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
        data_digest=data.digest,
        synthetic=data.synthetic,
        partial=spec.limit is not None,
        n={**sizes, "train": subset["n"]} if subset else sizes,
        provenance=provenance.collect(weights=source.weights_digest, device=source.device.split(":")[0]),
        seconds=round(seconds, 3),
    )


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
