"""The run of one group of cells: each is predicted, scored and stored; a failure is a record too."""

from __future__ import annotations

import functools
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmark.api import Predictions, Rotation, Scores, SignalSpec, Task
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.signals.conditions import SignalCondition
from benchmark.data.store.prepared import PreparedDataset
from benchmark.disk import ends_run
from benchmark.engine.cell_weights import handle_of
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.events import Event, EventSink, ParentGoneError, naming_row, notes_to
from benchmark.engine.examples import declares_examples, rows_of_examples
from benchmark.engine.features import cached_signal
from benchmark.engine.group_data import GroupData
from benchmark.engine.interrupts import user_interrupted
from benchmark.engine.outcome import Outcome, error_of, failed_record, finished_record, full_config
from benchmark.engine.preemption import Preempted, asked_to_stop
from benchmark.engine.rotation import predict_in_turn
from benchmark.errors import DiskError
from benchmark.locks import locked
from benchmark.metrics.few_patients import without_uncertainty
from benchmark.paths import Home
from benchmark.planning.plan import Cell, CellGroup
from benchmark.planning.standing import AtHand, Standing, code_now, stand
from benchmark.records.index import Entry, read_entry, writing_times
from benchmark.records.paths import THRESHOLDS
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store
from benchmark.registry import TASKS

PAUSE = 0.2  # seconds between two checks of cells that another run is working on
STOPPING = (Preempted, ParentGoneError, DiskError)  # end the run, and are no failure of the cell at work


def run_group(group: CellGroup, home: Home, device: str, on_event: EventSink) -> Counter[str]:
    """Run every cell of a group that has no finished record yet; return how many ended in which status.

    Waits for cells that another run is working on. Raises `Preempted` between two cells when asked to stop.
    """
    return _GroupRun(group, home, device, on_event).run()


class _GroupRun:
    """One group of cells in one process."""

    def __init__(self, group: CellGroup, home: Home, device: str, on_event: EventSink) -> None:
        self.group, self.home, self.device = group, home, device
        first = group.cells[0]
        self.on_event = naming_row(first.row, first.spec.method, on_event)
        self.store = Store(home.records)
        self.before = writing_times(home.records, (cell.spec for cell in group.cells))
        self.outcomes: Counter[str] = Counter()
        self.reported_failures: set[str] = set()  # messages of failures, each told in full once

    def run(self) -> Counter[str]:
        first_cell = self.group.cells[0]
        spec = first_cell.spec
        try:
            self.data = GroupData(self.home, spec.limit)
            self.data.data(spec.dataset, spec.dataset_config)
            self.handle = handle_of(first_cell, self.home, self.device, self.on_event)
        except BaseException as error:
            raise_if_stopping(error, self.home)
            for cell in self.group.cells:
                self.outcomes[self._store_failure(cell, error, 0.0)] += 1
            return self.outcomes
        waiting = sorted(self.group.cells, key=declares_examples)  # these may find a pass over all in the cache
        while waiting:
            waiting = self._run_free(waiting)
            if waiting:
                time.sleep(PAUSE)
        return self.outcomes

    def _run_free(self, cells: Iterable[Cell]) -> list[Cell]:
        """Run the cells that no other run is working on; return the rest."""
        busy = []
        for cell in cells:
            with locked(self.home.locks, cell.spec.key) as is_ours:
                if is_ours:
                    self.outcomes[self._run_locked(cell)] += 1
                else:
                    busy.append(cell)
        return busy

    def _run_locked(self, cell: Cell) -> str:
        standing = self._standing(cell)
        if standing.state in ("done", "outdated") or self._just_failed(standing.entry):
            status = "done" if standing.state != "failed" else "failed"
            self.on_event(Event("cell", f"{cell.title} (by another run)", status=status))
            return status
        if asked_to_stop():
            raise Preempted(f"{self.group.title}: asked to stop, stopped before {cell.title}")
        self.on_event(Event("begin", cell.title, status=cell.spec.key))
        return self._run_cell(cell)

    def _standing(self, cell: Cell) -> Standing:
        """Return where the cell stands by the data at hand; data that cannot be opened fails later, in the cell."""
        entry = read_entry(self.store.root, cell.spec)
        try:
            now = AtHand(self.data.digest_map(cell.spec), code_now, values=self.data.values_map(cell.spec))
            return stand(cell, entry, now)
        except Exception:
            return Standing(cell, "missing", entry=entry)

    def _just_failed(self, entry: Entry | None) -> bool:
        """Whether another run has tried the cell since this one began: a second failure would say nothing new."""
        if entry is None or entry.status != "failed":
            return False
        return entry.written_ns != self.before.get(entry.key)

    def _run_cell(self, cell: Cell) -> str:
        spec, start = cell.spec, time.monotonic()
        try:
            task: Task = TASKS.get(spec.task)(**spec.task_config)
            data = self.data.data(spec.dataset, spec.dataset_config)
            rotations = task.rotations()
            view = self.data.view_of(data, spec.label_set, rotations)
            scratch = self.home.scratch / f"{spec.key}-{data.digest}"
            contexts = self._contexts(spec, scratch, rotations)
            if rotations:
                predictions, truth = predict_in_turn(task, contexts), view.truth(data)
            else:
                predictions, truth = task.predict(contexts[0]), self.data.truth(data, spec.label_set)
            scores = without_uncertainty(task.score(predictions, truth), truth)
            signal = self._signal
            seconds = time.monotonic() - start
            cost = contexts[0].cost  # every rotation reads the features of one pass
            outcome = Outcome(cell, task, predictions, scores, signal, cost, seconds)
            record = finished_record(outcome, self.data, self.handle, self._config)
            aside = self.store.write(
                spec, record, _arrays(predictions, scores), scores.resampled, _texts(predictions, view, data)
            )
        except BaseException as error:
            raise_if_stopping(error, self.home)
            return self._store_failure(cell, error, time.monotonic() - start)
        shutil.rmtree(scratch, ignore_errors=True)
        self._tell_aside(cell, aside)
        values = {task.primary: scores.metrics[task.primary]} if task.primary in scores.metrics else {}
        self.on_event(Event("cell", cell.title, values=values, status="done"))
        return "done"

    @functools.cached_property
    def _signal(self) -> SignalSpec:
        """The form in which the group's method wants its signals; asked again by the next cell where it fails."""
        say = notes_to(self.on_event)
        return cached_signal(self.handle.identity, lambda: self.handle.method, self.home.features, say)

    @functools.cached_property
    def _config(self) -> dict[str, Any]:
        """All options of method, dataset and training, which the cells of a group share."""
        return full_config(self.group.cells[0].spec)

    def _contexts(self, spec: RunSpec, scratch: Path, rotations: Sequence[Rotation]) -> list[CellContext]:
        """Return the task's view of each rotation, or of the one division that the dataset has."""
        if not rotations:
            return [self._context(spec, scratch, examples=self._examples)]
        data = self.data.data(spec.dataset, spec.dataset_config)
        views = self.data.rotated_views(data, spec.label_set, rotations)
        rows = self.data.rows(data, views)
        return [self._context(spec, scratch / str(place), view, rows) for place, view in enumerate(views)]

    @functools.cached_property
    def _examples(self) -> np.ndarray:
        """The rows of train that cells of the group declare to read, of all its label sets."""
        return rows_of_examples(self.group.cells, self._view_of)

    def _view_of(self, cell: Cell) -> tuple[CellContext, np.ndarray]:
        """Return a context of the cell in which nothing is predicted, and the rows of its train."""
        data = self.data.data(cell.spec.dataset, cell.spec.dataset_config)
        rows = self.data.view(data, cell.spec.label_set).rows["train"]
        return self._context(cell.spec, self.home.scratch / cell.spec.key), rows

    def _context(
        self,
        spec: RunSpec,
        scratch: Path,
        view: LabelledRows | None = None,
        rows: np.ndarray | None = None,
        examples: np.ndarray | None = None,
    ) -> CellContext:
        """Return the task's view of the cell's dataset, and of the other one that it learns from, if any."""
        source_dataset = None
        if spec.source is not None:
            place = {name: spec.source[name] for name in ("dataset", "dataset_config", "label_set")}
            source_dataset = self._context(replace(spec, **place, source=None), scratch)
        data = self.data.data(spec.dataset, spec.dataset_config)
        return CellContext(
            CellInputs(
                data=data,
                rows=self.data.view(data, spec.label_set) if view is None else view,
                handle=self.handle,
                dataset=spec.dataset,
                label_set=spec.label_set,
                home=self.home,
                on_event=self.on_event,
                training=spec.training,
                training_seed=spec.training_seed or 0,
                extracted=self.data.rows(data) if rows is None else rows,
                examples=examples,
                is_rotation=view is not None,
                condition=SignalCondition.from_json(spec.signal),
                source_dataset=source_dataset,
                scratch=scratch,
            )
        )

    def _store_failure(self, cell: Cell, error: BaseException, seconds: float) -> str:
        """Store the record of a failed cell, with its traceback."""
        try:
            digests = self.data.digests(cell.spec)
        except Exception:
            digests = (None, None, None)
        fault = error_of(error)
        aside = self.store.write(cell.spec, failed_record(cell, fault, seconds, digests))
        self._tell_aside(cell, aside)
        self.on_event(Event("cell", f"{cell.title}: {self._in_full_once(fault['message'])}", status="failed"))
        return "failed"

    def _in_full_once(self, message: str) -> str:
        """Return a list of faults in full for the first cell of the group that it fails, then its first line alone."""
        first, *rest = message.splitlines()
        if rest and message in self.reported_failures:
            return f"{first} (told in full above)"
        self.reported_failures.add(message)
        return message

    def _tell_aside(self, cell: Cell, aside: Path | None) -> None:
        if aside is not None:
            self.on_event(Event("note", f"{cell.title}: a record that could not be used was moved to {aside}"))


def raise_if_stopping(error: BaseException, home: Home) -> None:
    """Raise errors that end the whole run; all others, even `SystemExit` of a plug-in, fail a cell alone."""
    if (ending := ends_run(error, home)) is not None:
        raise ending from error
    if isinstance(error, STOPPING) or (isinstance(error, KeyboardInterrupt) and user_interrupted()):
        raise error


def _arrays(predictions: Predictions, scores: Scores) -> dict[str, np.ndarray]:
    """Return what is kept beside the record: a row per recording, and the thresholds that F1 was computed with."""
    thresholds = {} if predictions.thresholds is None else {THRESHOLDS: np.asarray(predictions.thresholds, np.float64)}
    return {**predictions.arrays, **thresholds, **scores.per_recording}


def _texts(predictions: Predictions, view: LabelledRows, data: PreparedDataset) -> dict[str, list[str]]:
    """Return the texts of a cell with the ids of their recordings; nothing where it has none."""
    if not predictions.texts:
        return {}
    ids = [str(name) for name in data.record_ids[view.rows["test"]]]
    return {"record_ids": ids, **predictions.texts}


def limit_threads(threads: int) -> None:
    """Give this process `threads` cores, in torch and in BLAS."""
    import torch

    torch.set_num_threads(threads)
    threadpool_limits(threads)
