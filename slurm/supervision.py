"""Supervisor of one unit: starts the worker, follows it, and records the cells that it fails to finish."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from benchmark.disk import WORKER_EXIT, failure_of_worker
from benchmark.engine.event_stream import parse_event
from benchmark.engine.events import Event, LineReporter
from benchmark.paths import HOME_VARIABLE, Home
from benchmark.records.paths import record_file
from slurm.submission import BEAT, Submission
from slurm.worker import STOPPED

WORKER = ("-m", "slurm.worker")
TICK = 0.5  # seconds between checks of the worker
TRIES = 3  # workers in a row that may die without finishing a cell
LINGER = 600.0  # seconds to wait for the end or requeue of a job whose worker was told to stop
HEADROOM = 0.93  # memory share at which we kill the worker, so that the scheduler does not kill the whole job
TAIL = 30  # lines of a worker's stderr that go into a record


class Supervisor:
    """Supervisor that runs a unit's cells in worker processes; records on disk show which are still to do."""

    def __init__(self, submission: Submission, number: int, first: bool = True) -> None:
        self.submission, self.number, self.first = submission, number, first
        self.unit = submission.read_unit(number)
        self.on_event = LineReporter(sys.stdout)
        self.worker: subprocess.Popen[str] | None = None
        self.at_work: str | None = None  # key of the current cell
        self.since = 0.0
        self.last_beat = 0.0
        self.verdict: tuple[str, str] | None = None  # why we ended the worker: kind and message
        self.told_to_stop = False

    # --- the journal ---

    def write(self, event: str, **more: Any) -> None:
        """Write one line into the journal; of several processes only the first writes."""
        if not self.first:
            return
        line = json.dumps({"time": round(time.time(), 3), "what": event, **more})
        with self.submission.journal_file(self.number).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _beat(self) -> None:
        if self.first and time.monotonic() - self.last_beat > BEAT:
            self.last_beat = time.monotonic()
            self.submission.journal_file(self.number).touch()

    # --- the unit ---

    def run(self) -> dict[str, int]:
        """Run workers until every cell has a record; return the number of cells (for pre-training, of weights)."""
        if self.unit["stage"] == "pretrain":
            self._run_pretraining()
            return {"pretrained": 1}
        deaths = 0
        while groups := self.left():
            before = sum(map(len, groups))
            code, stderr = self._run_worker({"groups": [[entry["cell"] for entry in group] for group in groups]})
            if code == STOPPED or self.told_to_stop:
                self._wait_for_the_end()
                continue
            if code == WORKER_EXIT:  # a disk failure, not a cell's: end the job; its cells can be submitted again
                raise failure_of_worker(stderr.splitlines())
            deaths = 0 if sum(map(len, self.left())) < before else deaths + 1
            if code == 0 and self.left():
                code, stderr = 1, "the worker ended without an error and left cells without a record"
            if code:
                self._blame(groups, code, stderr, everything=deaths >= TRIES)
        return {"cells": len(self.unit["keys"])}

    def _run_pretraining(self) -> None:
        while True:
            code, stderr = self._run_worker({"recipe": self.unit["recipe"]})
            if code == 0:
                return
            if code != STOPPED and not self.told_to_stop:
                kind, message = self._reason(code)
                self.write("failed", kind=kind, message=message)
                raise RuntimeError(f"the pre-training failed: {message}\n{stderr}")
            self._wait_for_the_end()

    def left(self) -> list[list[dict[str, Any]]]:
        """Return the entries (key and cell) without a record, by group.

        Cells interrupted in an earlier start come last, so that they do not hold up the others again.
        """
        home = Home(Path(self.unit["home"]))
        cut = self._cut()
        groups: list[list[dict[str, Any]]] = []
        last: list[dict[str, Any]] = []
        for group in self.unit["groups"]:
            cells: list[dict[str, Any]] = []
            for cell in group:
                key, spec = cell["key"], cell["cell"]["spec"]
                if not Path(record_file(home.records, spec["task"], spec["method"], key)).is_file():
                    (last if key in cut else cells).append(cell)
            groups.append(cells)
        return [cells for cells in groups if cells] + [[cell] for cell in last]

    def _cut(self) -> set[str]:
        """Return the keys of cells that were running when an earlier start of this job ended."""
        key: str | None = None
        keys: set[str] = set()
        for line in self.submission.journal(self.number):
            if line["what"] == "start" and key:
                keys.add(key)
            key = line.get("key") if line["what"] == "begin" else (None if line["what"] in ("cell", "start") else key)
        return keys

    # --- the worker ---

    def _run_worker(self, work: dict[str, Any]) -> tuple[int, str]:
        """Start a worker on `work` and follow it to its end; return its exit code and the end of its stderr."""
        shared = {name: self.unit[name] for name in ("stage", "home", "device", "threads", "checkpoint_every")}
        environment = {**os.environ, HOME_VARIABLE: self.unit["home"], "OMP_NUM_THREADS": str(self.unit["threads"])}
        self.verdict, self.at_work, self.since = None, None, time.monotonic()
        with tempfile.TemporaryDirectory() as folder, (Path(folder) / "stderr").open("w+") as stderr:
            request = Path(folder) / "request.json"
            request.write_text(json.dumps({**shared, **work}), "utf-8")
            command = [sys.executable, *WORKER, str(request)]
            self.worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
            try:
                assert self.worker.stdout is not None
                self._follow(self.worker.stdout)
                while (code := self.worker.poll()) is None:  # not wait(): a signal handler may check it too
                    time.sleep(0.02)
            finally:
                if self.worker.poll() is None:
                    self.worker.kill()
                    self.worker.wait()
                self.worker = None
            stderr.seek(0)
            text = stderr.read()
        print(text, file=sys.stderr, end="", flush=True)
        return code, "\n".join(text.splitlines()[-TAIL:])

    def _follow(self, stdout: IO[str]) -> None:
        """Forward the worker's output, and check its time and memory meanwhile."""
        pending = b""
        with selectors.DefaultSelector() as ready:
            ready.register(stdout, selectors.EVENT_READ)
            while True:
                if ready.select(TICK):
                    part = os.read(stdout.fileno(), 1 << 16)
                    if not part:
                        return
                    *lines, pending = (pending + part).split(b"\n")
                    for line in lines:
                        self._heard(line.decode("utf-8", "replace"))
                self._beat()
                self._judge()

    def _heard(self, line: str) -> None:
        event = parse_event(line)
        if event is None:  # not from the worker's own stream of events
            print(line, flush=True)
            return
        if event.kind == "begin":
            self.at_work, self.since = event.status, time.monotonic()
            self.write("begin", key=event.status)
            print(time.strftime("%H:%M:%S"), f"begin  {event.text}", flush=True)
        elif event.kind == "cell":
            self.write("cell", key=self.at_work, status=event.status)
            self.at_work, self.since = None, time.monotonic()
        self.on_event(event)

    def _judge(self) -> None:
        """Kill a worker that hangs in a cell, or whose memory would make the scheduler kill the whole job."""
        if self.worker is None or self.verdict is not None:
            return
        limit = self.unit["cell_minutes"]
        if limit and self.at_work and time.monotonic() - self.since > limit * 60:
            self.verdict = ("Timeout", f"the cell took longer than {limit:g} minutes (cell_minutes of the profile)")
        most, memory_used = memory_limit(), resident(self.worker.pid)
        if most and memory_used > HEADROOM * most:
            self.verdict = ("OutOfMemory", f"the cell used {memory_used} MB, the job has {most} MB")
        if self.verdict:
            self.worker.kill()

    # --- failures ---

    def _reason(self, code: int) -> tuple[str, str]:
        if self.verdict is not None:
            return self.verdict
        if code == -signal.SIGKILL:
            return "OutOfMemory", "the worker was killed by SIGKILL (out of memory, most likely)"
        if code < 0:
            return "WorkerDied", f"the worker was killed by {signal.Signals(-code).name}"
        return "WorkerDied", f"the worker ended with exit code {code}"

    def _blame(self, groups: list[list[dict[str, Any]]], code: int, stderr: str, everything: bool) -> None:
        """Record a worker's death as a failure of its current cell; with `everything`, of the first group left."""
        kind, message = self._reason(code)
        guilty = [entry for group in groups for entry in group if entry["key"] == self.at_work]
        left = self.left()
        if everything and left:
            guilty = left[0]
            message += f"; {TRIES} workers in a row died so, the cells of this method and dataset were given up"
        for entry in guilty:
            self._store_failure(entry, kind, message, stderr)

    def _store_failure(self, entry: dict[str, Any], kind: str, message: str, stderr: str = "") -> None:
        from benchmark.engine.outcome import failed_record
        from benchmark.planning.plan import CellGroup  # these import torch: only after a failure
        from benchmark.records.store import Store

        (cell,) = CellGroup.from_json([entry["cell"]]).cells
        record = failed_record(
            cell, {"kind": kind, "message": message, "traceback": stderr}, time.monotonic() - self.since
        )
        Store(Home(Path(self.unit["home"])).records).write(cell.spec, record)
        self.write("cell", key=cell.spec.key, status="failed", kind=kind)
        self.on_event(Event("cell", f"{cell.title}: {message}", status="failed"))

    # --- signals ---

    def stop_worker(self) -> None:
        """Ask the worker to stop cleanly within the grace period; kill it if it does not."""
        self.told_to_stop = True
        pid = self.worker.pid if self.worker else None
        if pid is None or has_ended(pid):
            return
        os.kill(pid, signal.SIGUSR2)
        deadline = time.monotonic() + self.unit["grace"]
        while not has_ended(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.write("stopped" if has_ended(pid) else "cut", key=self.at_work)
        if not has_ended(pid):
            os.kill(pid, signal.SIGKILL)

    def give_up(self, reason: str) -> None:
        """Record the current cell as timed out, because the job will not be restarted."""
        self.write("gave_up", reason=reason)
        key = self.at_work
        if not self.first or key is None:
            return
        self.stop_worker()
        message = f"it was at work when its job was stopped for the last time ({reason})"
        for entry in [entry for group in self.left() for entry in group if entry["key"] == key]:
            self._store_failure(entry, "Timeout", message)

    def _wait_for_the_end(self) -> None:
        """Wait for the scheduler or Submitit to end this job; if neither does, continue."""
        deadline = time.monotonic() + LINGER
        while time.monotonic() < deadline:
            self._beat()
            time.sleep(TICK)
        self.told_to_stop = False


def has_ended(pid: int) -> bool:
    """Whether our child has ended, without reaping it: safe in a signal handler, where `Popen`'s lock may be held."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def memory_limit() -> int:
    """Return the MB that SLURM gave this job on its node; 0 if unknown."""
    whole, per_cpu = os.environ.get("SLURM_MEM_PER_NODE"), os.environ.get("SLURM_MEM_PER_CPU")
    if whole:
        return int(whole)
    return int(per_cpu) * int(os.environ.get("SLURM_CPUS_ON_NODE", "1")) if per_cpu else 0


def resident(pid: int) -> int:
    """Return the memory of a process and its descendants in MB (PSS: shared pages divided); 0 if it is gone."""
    return sum(_proportional(one) for one in family(pid)) >> 10


def family(pid: int) -> list[int]:
    """Return a process and all its descendants: data loaders, text encoders, or others that a method starts."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has just ended
        return [pid]
    return [pid, *(one for child in " ".join(lists).split() for one in family(int(child)))]


def _proportional(pid: int) -> int:
    """Return the proportional memory (PSS) of a process in KB; 0 if it cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration, ValueError):
        return 0
