"""Queries to the scheduler: one per refresh for all jobs; if the controller is busy, wait and say so."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from benchmark.errors import BenchmarkError

TRANSIENT = (
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "connection reset",
    "connection timed out",
    "resource temporarily unavailable",
    "zero bytes were transmitted or received",
    "transport endpoint",
    "slurm temporarily unable to accept job",
    "slurm controller in standby",
    "communication connection failure",
    "error connecting",
)
LIMITS = ("job submit limit", "maxsubmit", "qosmaxsubmit", "associationlimit", "job array size", "policy")
LONGEST = 60.0  # seconds between two attempts, at most
ENDED_BY = {
    "TIMEOUT": "timeout",
    "OUT_OF_MEMORY": "oom",
    "NODE_FAIL": "node",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
}
PENDING, RUNNING = "queued", "running"
WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SPECIAL_EXIT", "SUSPENDED"}


class SchedulerBusyError(BenchmarkError):
    """The scheduler does not answer (exit code 75, a temporary failure)."""

    exit_code = 75


class NoSchedulerError(BenchmarkError):
    """This machine has no SLURM commands."""

    exit_code = 5


class Queued(NamedTuple):
    """A job or array task in the queue: its state ("queued" or "running") and why it waits."""

    state: str
    reason: str


def tell(message: str) -> None:
    print(f"ecgarena: {message}", file=sys.stderr, flush=True)


def ask(
    command: list[str],
    patience: float = 300.0,
    say: Callable[[str], None] = tell,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Return the output of a SLURM command; retry for `patience` seconds while the controller does not answer."""
    start, pause = time.monotonic(), 1.0
    while True:
        try:
            process = subprocess.run(command, capture_output=True, text=True, timeout=max(30.0, patience))
        except FileNotFoundError:
            raise NoSchedulerError(
                f"{command[0]} is not on this machine; run this on a login node of the cluster"
            ) from None
        except subprocess.TimeoutExpired:
            process = subprocess.CompletedProcess(command, 1, "", "socket timed out (no answer at all)")
        if process.returncode == 0:
            return process.stdout
        error = (process.stderr or process.stdout).strip()
        seconds = time.monotonic() - start
        if not transient(error):
            raise BenchmarkError(f"{' '.join(command[:3])} failed: {error}")
        last = (error.splitlines() or [""])[-1]
        if seconds + pause > patience:
            raise SchedulerBusyError(f"the scheduler does not answer ({last}); waited {seconds:.0f} s, try again later")
        say(f"the scheduler does not answer ({last}); waiting {pause:.0f} s, {seconds:.0f} s so far")
        wait(pause)
        pause = min(2 * pause, LONGEST)


def transient(error: str) -> bool:
    return any(sign in error.lower() for sign in TRANSIENT)


def full(error: str) -> bool:
    """Whether sbatch refused because the user has reached a limit on queued jobs."""
    return any(sign in error.lower() for sign in LIMITS)


def queue(patience: float = 300.0, say: Callable[[str], None] = tell) -> dict[str, Queued]:
    """Return this user's queued and running jobs (``1234`` or ``1234_5`` -> state), by one call of squeue."""
    jobs: dict[str, Queued] = {}
    for line in ask(["squeue", "--me", "--noheader", "--format", "%i|%T|%r"], patience, say).splitlines():
        job, state, reason = [*line.split("|"), "", ""][:3]
        entry = Queued(PENDING if state in WAITING else RUNNING, reason)
        jobs |= dict.fromkeys(expand(job.strip()), entry)
    return jobs


def end_states(jobs: Iterable[str], patience: float = 30.0) -> dict[str, str]:
    """Return how jobs ended ("timeout", "oom", ...), by one call of sacct; empty without accounting."""
    arrays = sorted({job.partition("_")[0] for job in jobs})
    if not arrays:
        return {}
    command = ["sacct", "-X", "--noheader", "--parsable2", "-o", "JobID,State", "-j", ",".join(arrays)]
    try:
        output = ask(command, patience, say=lambda _: None)
    except BenchmarkError:
        return {}
    states: dict[str, str] = {}
    for line in output.splitlines():
        job, _, state = line.partition("|")
        how = ENDED_BY.get(state.split(" ")[0])
        if how and "." not in job:
            states |= dict.fromkeys(expand(job), how)
    return states


def expand(job: str) -> Iterator[str]:
    """Expand ``12_[3,5-7%4]`` to 12_3, 12_5, 12_6, 12_7; yield a plain job unchanged."""
    several = re.fullmatch(r"(\d+)_\[([\d,:-]+)(?:%\d+)?\]", job)
    if several is None:
        yield job
        return
    for part in several[2].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        for task in range(int(first), int(last or first) + 1, int(step or 1)):
            yield f"{several[1]}_{task}"


def cancel(jobs: Iterable[str]) -> None:
    """Cancel jobs and array tasks, 200 per call."""
    jobs = list(jobs)
    for start in range(0, len(jobs), 200):
        ask(["scancel", *jobs[start : start + 200]])


def max_array_size() -> int:
    """Return MaxArraySize of the cluster's configuration; 1001 (SLURM's default) if it is not set."""
    match = re.search(r"MaxArraySize\s*=\s*(\d+)", ask(["scontrol", "show", "config"]))
    return int(match[1]) if match else 1001
