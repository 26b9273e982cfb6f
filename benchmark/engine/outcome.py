"""The record of a cell, made in one place from the output of its task and the circumstances of the run."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from benchmark.api import Predictions, Scores, SignalSpec, Task
from benchmark.canonical import canonical
from benchmark.configuration import complete, from_key
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.engine.data_notes import data_notes
from benchmark.engine.group_data import GroupData
from benchmark.engine.method_handle import MethodHandle
from benchmark.planning.plan import Cell
from benchmark.planning.standing import code_now
from benchmark.planning.training_config import SELECTIONS, TrainingConfig
from benchmark.records import provenance
from benchmark.records.record import RunRecord, Verdict
from benchmark.records.spec import RunSpec, datasets_of
from benchmark.registry import DATASETS, METHODS
from benchmark.weights.packages import packages_of

FILE = re.compile(r'File "([^"]+)"')  # of a line in a traceback
PACKAGES = ("benchmark", "methods", "tasks", "slurm")  # of this project


@dataclass(frozen=True)
class Outcome:
    """A finished cell: its task, what it predicted and scored, and what it took."""

    cell: Cell
    task: Task
    predictions: Predictions
    scores: Scores
    signal: SignalSpec
    cost: dict[str, float]
    seconds: float


def finished_record(outcome: Outcome, group_data: GroupData, handle: MethodHandle, config: dict[str, Any]) -> RunRecord:
    """Return the record of a finished cell, complete; `config` is its `full_config`."""
    cell, predictions, scores = outcome.cell, outcome.predictions, outcome.scores
    spec = cell.spec
    data = group_data.data(spec.dataset, spec.dataset_config)
    view = group_data.view_of(data, spec.label_set, outcome.task.rotations())
    data_digest, source_digest, values_digest = group_data.digests(spec)
    sizes = {split: len(rows) for split, rows in view.rows.items()}
    subset = predictions.details.get("subset") or {}
    return RunRecord(
        key=spec.key,
        spec=spec.to_json(),
        question=cell.question,
        status="done",
        metrics=_rounded(scores.metrics),
        intervals={name: (round(low, 6), round(high, 6)) for name, (low, high) in scores.intervals.items()},
        per_class={name: _rounded(values) for name, values in scores.per_class.items()},
        primary=outcome.task.primary,
        higher_is_better=outcome.task.higher_is_better,
        details=predictions.details,
        notes=_notes(outcome, group_data, view),
        resampling=scores.resampling,
        cost=outcome.cost,
        config=config,
        subgroups=scores.subgroups,
        analysis=scores.analysis,
        data_digest=data_digest,
        source_digest=source_digest,
        values_digest=values_digest,
        leak=_verdict(group_data, cell),
        synthetic=any(group_data.data(*dataset).synthetic for dataset in datasets_of(spec)),
        partial=spec.limit is not None,
        n={**sizes, "train": subset["n"]} if subset else sizes,
        provenance=_provenance(spec, handle),
        seconds=round(outcome.seconds, 3),
        code=record_code(spec, handle.code),
    )


def failed_record(
    cell: Cell,
    error: Mapping[str, str],
    seconds: float,
    digests: tuple[str | None, str | None, str | None] = (None, None, None),
) -> RunRecord:
    """Return the record of a cell that failed; `error` has its kind, message and traceback."""
    spec = cell.spec
    return RunRecord(
        key=spec.key,
        spec=spec.to_json(),
        question=cell.question,
        status="failed",
        error=dict(error),
        data_digest=digests[0],
        source_digest=digests[1],
        values_digest=digests[2],
        partial=spec.limit is not None,
        provenance=provenance.collect(),
        seconds=round(seconds, 3),
        code=record_code(spec, {}),
    )


def error_of(error: BaseException) -> dict[str, str]:
    """Return what a record keeps of an exception; records are published, so folders of this machine are left out."""
    text = FILE.sub(lambda line: f'File "{_without_folder(line[1])}"', "".join(traceback.format_exception(error)))
    message = str(error) or type(error).__name__
    if isinstance(error, SystemExit):
        message = f"its code called sys.exit({error.code!r})"
    return {"kind": type(error).__name__, "message": message, "traceback": text}


def _without_folder(file: str) -> str:
    """Return the path of a source file from its package on, or its name alone."""
    parts = PurePath(file).parts
    starts = [place for place, part in enumerate(parts) if part in PACKAGES or parts[place - 1] == "site-packages"]
    return "/".join(parts[starts[0] :] if starts else parts[-1:])


def record_code(spec: RunSpec, weights: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of the code that made a cell; `weights` are those of the code that trained its weights."""
    now = {part: digest for part, digest in code_now(spec.method, spec.task).items() if part != "weights"}
    return {**now, "weights": weights["method"]} if "method" in weights else now


def full_config(spec: RunSpec) -> dict[str, Any]:
    """Return all options of a cell, defaults included: for the reader of a record."""
    method = METHODS.get(spec.method)
    options = {
        "method": complete(method, from_key(method, spec.method_config), spec.method),
        "dataset": complete(DATASETS.get(spec.dataset), spec.dataset_config, spec.dataset),
    }
    if spec.training is not None:
        options["training"] = complete(TrainingConfig, {**spec.training, "seed": spec.training_seed or 0}, "training")
    if spec.pretraining is not None:
        options["pretraining"] = complete(TrainingConfig, spec.pretraining["training"], "pretraining")
    return {name: canonical(values) for name, values in options.items()}


def _verdict(group_data: GroupData, cell: Cell) -> Verdict:
    verdict = group_data.gate.verdict(cell)
    return {"state": verdict.state, "reasons": list(verdict.reasons)}


def _notes(outcome: Outcome, group_data: GroupData, view: LabelledRows) -> list[str]:
    """Return what every table must say of this number."""
    spec, subset = outcome.cell.spec, outcome.predictions.details.get("subset") or {}
    data = group_data.data(spec.dataset, spec.dataset_config)
    return [
        *data.warnings,
        *outcome.scores.notes,
        *group_data.signal_notes(data, view, outcome.signal, spec.method),
        *([subset["note"]] if "note" in subset else []),
        *data_notes(outcome.cell, group_data),
        *_selection_notes(outcome.cell),
    ]


def _selection_notes(cell: Cell) -> list[str]:
    """Return the note on weights whose epoch was chosen with labels."""
    recipe = cell.spec.pretraining
    if recipe is None or recipe["training"].get("select") != "zero_shot_val":
        return []
    return [f"the weights of {cell.row} were {SELECTIONS['zero_shot_val']}"]


def _provenance(spec: RunSpec, handle: MethodHandle) -> dict[str, Any]:
    environment = getattr(METHODS.get(spec.method), "environment", None)  # of the method's own interpreter
    packages = [] if environment is not None else packages_of(spec.method_config)
    return provenance.collect(
        weights=handle.weights_digest,
        device=handle.device.split(":")[0],
        precision=handle.precision,
        **({"packages": packages} if packages else {}),
        **({} if environment is None else {"elsewhere": environment}),
    )


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
