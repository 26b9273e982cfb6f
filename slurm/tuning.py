"""``tune --executor slurm``: one array of jobs that share the trials of a suite's tuned rows.

Every job runs the same ``ecgarena tune``, which takes the next training that nobody else is at. So a job needs no list
of its work: one that is cut off is put back into the queue, and one that dies leaves its training to the others.
"""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from submitit.core.utils import DelayedSubmission, FailedJobError

from benchmark.engine.events import EventSink
from benchmark.errors import COMPLETE, SOME_FAILED, BenchmarkError, UsageError
from benchmark.paths import Home
from benchmark.records import provenance
from slurm.job_script import Place, make_runner, submit_patiently
from slurm.launch import BLOCKED_SIGNALS
from slurm.profiles import Profile, Resources, load_profile
from slurm.snapshot import snapshot
from slurm.supervision import has_ended

STAGE = "pretrain"  # whose resources a trial gets


class TuneJob:
    """One job of the array, as Submitit pickles it: the words of the command and the seconds that a stop may take."""

    def __init__(self, words: Sequence[str], grace: float) -> None:
        self.words, self.grace = tuple(words), grace
        self._process: subprocess.Popen[bytes] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"words": self.words, "grace": self.grace}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _process=None)

    def __call__(self) -> int:
        """Run the command; raise where it could not do its work, so that the scheduler shows the job as failed."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)
        self._process = subprocess.Popen([sys.executable, "-u", "-m", "benchmark", *self.words])
        while (code := self._process.poll()) is None:  # not wait(): the signal's handler may look at it too
            time.sleep(0.05)
        if code not in (COMPLETE, SOME_FAILED):
            raise BenchmarkError(f"ecgarena {' '.join(self.words)} ended with exit code {code}; its output is above")
        return code

    def checkpoint(self) -> DelayedSubmission:
        """Let the training write its checkpoint; Submitit calls this in its handler, before it requeues the job."""
        process = self._process
        if process is not None and not has_ended(process.pid):
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + self.grace
            while not has_ended(process.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        return DelayedSubmission(TuneJob(self.words, self.grace))


def submit_tuning(
    suite: str,
    words: Sequence[str],
    jobs: int,
    home: Home,
    on_event: EventSink,
    profile: str = "default",
    resources: Sequence[str] = (),
    dry_run: bool = False,
) -> list[str]:
    """Queue `jobs` jobs that run ``ecgarena WORDS``; return their numbers, or print the script of a dry run.

    Raises `UsageError` where the profile gives a training several processes: a trial has one.
    """
    cluster = load_profile(profile, resources)
    needs = cluster.resources(STAGE)
    if needs.tasks * needs.nodes > 1:
        raise UsageError(
            f"the profile {cluster.name} gives a training {needs.tasks * needs.nodes} processes, and a trial has one: "
            f"add --resource {STAGE}.tasks=1 --resource {STAGE}.nodes=1, and more --jobs"
        )
    runner = make_runner("ecgarena-tune", needs, cluster.limits, _place(suite, home, dry_run), dry_run=dry_run)
    if dry_run:
        if jobs > 1:
            runner.parameters["map_count"] = jobs
        print(f"# --- {jobs} jobs: ecgarena {' '.join(words)}\n{runner.script()}")
        return []
    provenance.export_code()
    return _submit(runner, [TuneJob(words, _grace(needs)) for _ in range(_room(jobs, cluster))], on_event)


def _place(suite: str, home: Home, dry_run: bool) -> Place:
    if dry_run:
        return Place(home.slurm / "tuning" / "DRY-RUN", home, home.slurm / "code" / "DIGEST")
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{re.sub(r'[^A-Za-z0-9_.-]', '_', suite)}-{secrets.token_hex(2)}"
    return Place(home.slurm / "tuning" / name, home, snapshot(home))


def _grace(resources: Resources) -> float:
    """Return the seconds that a checkpoint may take: most of the cluster's warning."""
    return max(5.0, 0.8 * resources.signal_seconds - 5)


def _room(jobs: int, profile: Profile) -> int:
    """Return how many jobs the site's limits allow; the trials are shared by however many there are."""
    limits = profile.limits
    return max(1, min(jobs, limits.max_array_size or jobs, limits.max_jobs or jobs))


def _submit(runner: Any, jobs: list[TuneJob], on_event: EventSink) -> list[str]:
    try:
        return [str(job.job_id) for job in submit_patiently(runner, jobs, on_event)]
    except FailedJobError as error:
        raise BenchmarkError(f"sbatch refused: {str(error).strip()}\nnothing is queued") from error
