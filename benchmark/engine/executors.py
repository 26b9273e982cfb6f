"""Where jobs run: in this process, or in processes of their own. `Executor` is what slurm/ implements too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmark.engine.events import Event, EventSink
from benchmark.engine.run import failed_record, run_group
from benchmark.errors import UsageError, did_you_mean
from benchmark.lazy_imports import EXECUTORS, load
from benchmark.paths import HOME_VARIABLE, Home
from benchmark.planning.plan import Cell, CellGroup
from benchmark.records import provenance
from benchmark.records.store import Store

STDERR_TAIL = 30  # lines kept of a worker that died


class Executor(ABC):
    """Runs jobs; every cell ends as a record in the store, whatever happens to the job."""

    @abstractmethod
    def run(self, jobs: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> Counter[str]:
        """Run all jobs and return how many cells ended in which status."""

    def not_in_flight(self, cells: Sequence[Cell], home: Home) -> list[Cell]:
        """Those of `cells` that are not under way already, in an earlier run that goes on elsewhere."""
        return list(cells)


class InlineExecutor(Executor):
    """One job after the other in this process, with all its cores."""

    def run(self, jobs: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> Counter[str]:
        ended = Counter[str]()
        for job in jobs:
            ended += run_group(job, home, device, on_event)
        return ended


class ProcessesExecutor(Executor):
    """Each job in a process of its own, `workers` at a time: one that is killed takes no other with it."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self.interrupted = False

    def run(self, jobs: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> Counter[str]:
        provenance.export_code()
        ended, self.interrupted = Counter[str](), False
        pool = ThreadPoolExecutor(max(1, min(self.workers, len(jobs))))
        running: list[subprocess.Popen[str]] = []
        try:
            for counts in pool.map(lambda job: self._run_one(job, home, device, on_event, running), jobs):
                ended += counts
        except BaseException:  # Ctrl-C: the workers end with us, what they stored stays
            self.interrupted = True
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in running:
                worker.terminate()
            raise
        pool.shutdown()
        return ended

    def _run_one(
        self, job: CellGroup, home: Home, device: str, on_event: EventSink, running: list[subprocess.Popen[str]]
    ) -> Counter[str]:
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        environment = {**os.environ, HOME_VARIABLE: str(home.root), "OMP_NUM_THREADS": str(threads)}
        with tempfile.TemporaryDirectory() as folder, (Path(folder) / "stderr").open("w+") as stderr:
            request = Path(folder) / "job.json"
            request.write_text(json.dumps(job.to_json()), "utf-8")
            command = [sys.executable, "-m", "benchmark.engine.worker", str(request), device, str(threads)]
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
            running.append(worker)
            assert worker.stdout is not None
            for line in worker.stdout:
                _forward(line, on_event)
            code = worker.wait()
            running.remove(worker)
            # a terminal sends Ctrl-C to the workers too; a cell that was cut so has not failed, it is still to do
            if self.interrupted or code == -signal.SIGINT:
                return Counter()
            stderr.seek(0)
            return _account(job, home, code, stderr.readlines()[-STDERR_TAIL:], on_event)


def _forward(line: str, on_event: EventSink) -> None:
    try:
        on_event(Event(**json.loads(line)))
    except (ValueError, TypeError):  # a library that prints; shown as it is
        on_event(Event("note", line.rstrip()))


def _account(job: CellGroup, home: Home, code: int, stderr: list[str], on_event: EventSink) -> Counter[str]:
    """Count the records of a worker that ended; cells that it left without one failed with it."""
    store, ended = Store(home.records), Counter[str]()
    reason = f"the worker ended with exit code {code}"
    if code < 0:
        reason = f"the worker was killed by {signal.Signals(-code).name}"
        reason += " (out of memory, perhaps)" if -code == signal.SIGKILL else ""
    for cell in job.cells:
        record = store.get(cell.spec)
        if record is None:
            fault = {"kind": "WorkerDied", "message": reason, "traceback": "".join(stderr)}
            record = failed_record(cell, fault, 0.0)
            store.put(cell.spec, record)
            on_event(Event("cell", f"{cell.title}: {reason}", status="failed"))
        ended[record.status] += 1
    return ended


def executor(name: str, workers: int | None = None, **options: Any) -> Executor:
    """The executor called `name`; `options` go to those that another package brings."""
    known: dict[str, Callable[[], Executor]] = {
        "inline": InlineExecutor,
        "processes": lambda: ProcessesExecutor(workers),
        **{hooked: lambda hooked=hooked: load(EXECUTORS[hooked])(**options) for hooked in EXECUTORS},  # type: ignore[misc]
    }
    if name not in known:
        raise UsageError(f"no executor {name!r}{did_you_mean(name, known)}")
    return known[name]()
