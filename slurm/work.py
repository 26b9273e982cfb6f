"""Callable that Submitit runs: a supervisor without heavy imports, which starts a worker process for the cells.

If the worker raises, runs out of memory or hangs, the supervisor records a failure of the current cell and starts
another worker for the rest. On Submitit's signal (USR2: preempted, or the time limit is near) it waits for the worker
to stop cleanly, and the job is requeued.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

from submitit.core.utils import DelayedSubmission, UncompletedJobError

from slurm.launch import BLOCKED_SIGNALS
from slurm.submission import Submission
from slurm.supervision import Supervisor


class Work:
    """One unit, as Submitit pickles it: the submission's folder and the unit's number."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = str(folder), number
        self._supervisor: Supervisor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "number": self.number}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _supervisor=None)

    def __call__(self) -> dict[str, int]:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)
        submission = Submission(Path(self.folder))
        _join_processes()
        self._supervisor = Supervisor(submission, self.number, first=os.environ.get("RANK", "0") == "0")
        self._supervisor.write("start", **_job())
        try:
            exit_code = self._supervisor.run()
        except UncompletedJobError as error:  # from Submitit: requeued too often
            self._supervisor.give_up(str(error))
            raise
        except BaseException as error:
            self._supervisor.write("stop", reason=f"{type(error).__name__}: {error}")
            raise
        self._supervisor.write("end", ended=exit_code)
        return exit_code

    def checkpoint(self) -> DelayedSubmission:
        """Stop the worker; Submitit calls this in its signal handler, before it requeues the job."""
        if self._supervisor is not None:
            self._supervisor.stop_worker()
            self._supervisor.write("requeue")
        return DelayedSubmission(Work(Path(self.folder), self.number))


def _join_processes() -> None:
    """Export the process group's settings for torch if the job has several tasks."""
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        from submitit.helpers import TorchDistributedEnvironment

        environment = TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        if environment.local_world_size == environment.world_size:  # one node: its name need not resolve
            os.environ["MASTER_ADDR"] = "127.0.0.1"


def _job() -> dict[str, Any]:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")
    return {
        "job": job,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "restart": os.environ.get("SLURM_RESTART_COUNT", "0"),
    }
