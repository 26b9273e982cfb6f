"""Executors: groups of cells run in this process or in processes of their own; slurm/ implements `Executor` too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmark.disk import WORKER_EXIT, failure_of_worker
from benchmark.engine.event_stream import forward
from benchmark.engine.events import Event, EventSink
from benchmark.engine.interrupts import guarding_the_end
from benchmark.engine.outcome import failed_record
from benchmark.engine.run import run_group
from benchmark.errors import UsageError, did_you_mean
from benchmark.lazy_imports import executor_plugins
from benchmark.paths import HOME_VARIABLE, Home
from benchmark.planning.plan import Cell, CellGroup
from benchmark.records import provenance
from benchmark.records.index import read_entry, writing_times
from benchmark.records.store import Store

STDERR_TAIL = 30  # lines kept of a worker that died


class Executor(ABC):
    """A runner of groups of cells; every cell ends as a record in the store, whatever happens to its group."""

    @abstractmethod
    def run(self, groups: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> Counter[str]:
        """Run all groups and return how many cells ended in which status."""

    def not_in_flight(self, cells: Sequence[Cell], home: Home) -> list[Cell]:
        """Return the `cells` that are not under way already, queued or running on a cluster."""
        return list(cells)


class InlineExecutor(Executor):
    """One group after the other in this process, with all its cores."""

    def run(self, groups: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> Counter[str]:
        outcomes = Counter[str]()
        with guarding_the_end():
            for group in groups:
                outcomes += run_group(group, home, device, on_event)
        return outcomes


class ProcessesExecutor(Executor):
    """Each group in a process of its own, `workers` at a time: if one is killed, the others go on."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self.interrupted = False

    def run(self, groups: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> Counter[str]:
        provenance.export_code()
        outcomes, self.interrupted = Counter[str](), False
        pool = ThreadPoolExecutor(max(1, min(self.workers, len(groups))))
        running: list[subprocess.Popen[str]] = []
        try:
            for counts in pool.map(lambda group: self._run_one(group, home, device, on_event, running), groups):
                outcomes += counts
        except BaseException:  # Ctrl-C: the workers end with us, what they stored stays
            self.interrupted = True
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in running:
                worker.terminate()
            raise
        pool.shutdown()
        return outcomes

    def _run_one(
        self, group: CellGroup, home: Home, device: str, on_event: EventSink, running: list[subprocess.Popen[str]]
    ) -> Counter[str]:
        before = writing_times(home.records, (cell.spec for cell in group.cells))
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        environment = {**os.environ, HOME_VARIABLE: str(home.root), "OMP_NUM_THREADS": str(threads)}
        with tempfile.TemporaryDirectory() as folder, (Path(folder) / "stderr").open("w+", errors="replace") as stderr:
            request = Path(folder) / "group.json"
            request.write_text(json.dumps(group.to_json()), "utf-8")
            command = [sys.executable, "-m", "benchmark.engine.worker", str(request), device, str(threads)]
            worker = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace", env=environment
            )
            running.append(worker)
            assert worker.stdout is not None
            for line in worker.stdout:
                forward(line, on_event)
            code = worker.wait()
            running.remove(worker)
            # a terminal sends Ctrl-C to the workers too; a cell that was cut so has not failed, it is still to do
            if self.interrupted or code == -signal.SIGINT:
                return Counter()
            stderr.seek(0)
            tail = stderr.readlines()[-STDERR_TAIL:]
            if code == WORKER_EXIT:
                raise failure_of_worker(tail)
            return _store_lost_cells(group, home, before, code, tail, on_event)


def _store_lost_cells(
    group: CellGroup, home: Home, before: Mapping[str, int], code: int, stderr: list[str], on_event: EventSink
) -> Counter[str]:
    """Count the records that a worker wrote since `before`; cells that it left without one are stored as failed."""
    store, outcomes = Store(home.records), Counter[str]()
    reason = f"the worker ended with exit code {code} before it had finished this cell"
    if code < 0:
        reason = f"the worker was killed by {signal.Signals(-code).name}"
        reason += " (out of memory, perhaps)" if -code == signal.SIGKILL else ""
    for cell in group.cells:
        entry = read_entry(home.records, cell.spec)
        is_new = entry is not None and entry.written_ns != before.get(cell.spec.key)
        if entry is not None and entry.usable and (is_new or (code == 0 and entry.done)):
            outcomes[entry.status] += 1
            continue
        error = {"kind": "WorkerDied", "message": reason, "traceback": "".join(stderr)}
        store.write(cell.spec, failed_record(cell, error, 0.0))
        on_event(Event("cell", f"{cell.title}: {reason}", status="failed"))
        outcomes["failed"] += 1
    return outcomes


def executor(name: str, workers: int | None = None, **options: Any) -> Executor:
    """Return the executor called `name`; `options` go to an executor from another package."""
    choices: dict[str, Callable[[], Executor]] = {
        "inline": InlineExecutor,
        "processes": lambda: ProcessesExecutor(workers),
        **{other: lambda point=point: point.load()(**options) for other, point in executor_plugins().items()},  # type: ignore[misc]
    }
    if name not in choices:
        raise UsageError(f"no executor {name!r}{did_you_mean(name, choices)}")
    return choices[name]()
