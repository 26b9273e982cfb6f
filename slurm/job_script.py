"""The script of a job and its submission through Submitit, for cells and for trials alike."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import submitit
from submitit.core.utils import FailedJobError

from benchmark.engine.events import Event, EventSink
from benchmark.errors import UsageError
from benchmark.paths import Home
from benchmark.records.provenance import CODE_VARIABLE
from slurm import queue
from slurm.log_paths import keep_folders
from slurm.profiles import Limits, Resources

PATIENCE = 1800.0  # seconds to wait for a busy controller while submitting


class Place(NamedTuple):
    """Folders of a job: of its output, of all results, and of the copied code."""

    logs: Path
    home: Home
    code: Path


class Runner(submitit.SlurmExecutor):
    """Submitit's executor with our own entry point for jobs (see `slurm.launch`)."""

    @property
    def _submitit_command_str(self) -> str:
        return f"{self.python} -u -m slurm.launch {shlex.quote(str(self.folder))}"

    def script(self) -> str:
        """Return the script that ``sbatch`` would receive."""
        return str(self._make_submission_file_text(self._submitit_command_str, "DRY-RUN"))


def make_runner(
    name: str,
    resources: Resources,
    limits: Limits,
    place: Place,
    waits: Sequence[str] = (),
    dry_run: bool = False,
) -> Runner:
    """Return what submits jobs of these resources; they start when the jobs in `waits` have ended."""
    keep_folders()
    with _without_srun(dry_run):
        runner = Runner(place.logs, max_num_timeout=limits.max_requeues, python=resources.python)
    runner.update_parameters(**parameters(resources, name, limits.array_parallelism))
    runner.parameters["setup"] = [*resources.setup, *exports(resources, place.home, place.code), AWAIT_CONTROLLER]
    if waits:
        runner.parameters["dependency"] = "afterany:" + ":".join(waits)
    runner._throttling = 0.0
    return runner


def parameters(resources: Resources, name: str, parallel: int) -> dict[str, Any]:
    """Translate resources to Submitit's parameter names."""
    plain = ("partition", "account", "qos", "constraint", "exclude", "nodelist", "gres")
    options: dict[str, Any] = {key: getattr(resources, key) for key in plain if getattr(resources, key)}
    if resources.gpus:
        options["gpus_per_node"] = resources.gpus
    return options | {
        "job_name": name,
        "time": resources.time,
        "mem": resources.memory,
        "nodes": resources.nodes,
        "ntasks_per_node": resources.tasks,
        "cpus_per_task": resources.cpus,
        "signal_delay_s": resources.signal_seconds,
        "array_parallelism": parallel,
        "srun_args": ["--cpus-per-task", str(resources.cpus)],  # since 22.05 srun no longer takes it from sbatch
        "wckey": None,
        "additional_parameters": {"requeue": True, **resources.sbatch},
    }


# srun needs the controller: while it restarts, the job would fail before any of our code runs
AWAIT_CONTROLLER = (
    "for i in $(seq 150); do scontrol ping 2>/dev/null | grep -q 'is UP' && break; sleep 2; done  # at most 5 minutes"
)


def exports(resources: Resources, home: Home, code: Path) -> list[str]:
    """Return shell lines that make a job run the copied code, and nothing from the folder it was submitted in."""
    values = {
        "PYTHONSAFEPATH": "1",
        "ECGARENA_HOME": str(home.root),
        CODE_VARIABLE: os.environ.get(CODE_VARIABLE, ""),
        "OMP_NUM_THREADS": str(resources.cpus),
        "OPENBLAS_NUM_THREADS": "1",
        **resources.environment,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    return [*lines, f'export PYTHONPATH={shlex.quote(str(code))}"${{PYTHONPATH:+:$PYTHONPATH}}"']


def submit_patiently(
    runner: Runner, works: Sequence[Callable[[], Any]], on_event: EventSink
) -> list[submitit.Job[Any]]:
    """Submit one array; while the controller is busy, wait and try again."""
    start, pause = time.monotonic(), 2.0
    while True:
        try:
            return runner.submit_array(list(works)) if len(works) > 1 else [runner.submit(works[0])]
        except FailedJobError as error:
            seconds = time.monotonic() - start
            if not queue.transient(str(error)) or seconds + pause > PATIENCE:
                raise
            on_event(
                Event(
                    "note",
                    f"the scheduler does not take jobs ({str(error).strip().splitlines()[-1]}); waiting {pause:.0f} s",
                )
            )
            time.sleep(pause)
            pause = min(2 * pause, queue.LONGEST)


@contextlib.contextmanager
def _without_srun(dry_run: bool) -> Iterator[None]:
    """Let a dry run work without srun, which Submitit requires before it writes a script."""
    before = submitit.SlurmExecutor.affinity
    if dry_run:
        submitit.SlurmExecutor.affinity = classmethod(lambda cls: 2)  # type: ignore[method-assign, assignment]
    try:
        yield
    except RuntimeError as error:
        raise UsageError(f"{error} Run this on a login node of the cluster, or look with --dry-run") from error
    finally:
        submitit.SlurmExecutor.affinity = before  # type: ignore[method-assign]
