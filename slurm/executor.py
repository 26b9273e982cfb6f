"""``--executor slurm``: plans the jobs of a grid, writes the submission to disk and submits it through Submitit."""

from __future__ import annotations

import getpass
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from submitit.core.utils import FailedJobError

from benchmark.engine.events import Event, EventSink, discard_event
from benchmark.engine.executors import Executor
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.planning.anew import make_room
from benchmark.planning.plan import Cell, CellGroup, Plan
from benchmark.planning.standing import RECORDS_ALONE, at_hand, standings_at
from benchmark.records import provenance
from benchmark.records.index import read_index
from benchmark.records.store import Store
from slurm import queue
from slurm.estimates import Estimates
from slurm.job_script import PATIENCE, Place, Runner, make_runner, submit_patiently
from slurm.planner import Array, Layout, Unit, lay_out
from slurm.profiles import Profile, load_profile
from slurm.snapshot import snapshot
from slurm.states import under_way
from slurm.submission import Submission, SubmittedCell, SubmittedUnit, new_folder, write_submission
from slurm.work import Work

CHECKPOINT_SECONDS = 600.0
POLL = 5.0  # seconds between checks of the disk with --wait


class SlurmExecutor(Executor):
    """Executor that submits and returns; the jobs write the records. With `wait` it stays until none is queued."""

    def __init__(
        self,
        profile: str = "default",
        resources: Sequence[str] = (),
        wait: bool = False,
        dry_run: bool = False,
        plan: Plan | None = None,
        device: str | None = None,
        profile_given: Profile | None = None,
        suite: str = "",
    ) -> None:
        self.profile = profile_given or load_profile(profile, resources)
        self.wait, self.dry_run, self.plan, self.device = wait, dry_run, plan, device
        self.suite = plan.suite.name if plan else suite

    def not_in_flight(self, cells: Sequence[Cell], home: Home) -> list[Cell]:
        """Return the cells that no earlier submission has queued or running."""
        busy = under_way(home)
        return [cell for cell in cells if cell.spec.key not in busy]

    def run(self, groups: Sequence[CellGroup], home: Home, device: str, on_event: EventSink) -> Counter[str]:
        """Submit the groups; with `wait`, count the finished records by status (else empty)."""
        if not groups:
            return Counter()
        layout = self.lay_out(groups, home)
        if self.dry_run:
            for script in self.scripts(layout, home):
                print(script)
            return Counter()
        submission = self.submit(layout, home, on_event)
        return wait_for(submission, layout, home, on_event) if self.wait else Counter()

    def lay_out(self, groups: Sequence[CellGroup], home: Home) -> Layout:
        limits = self.profile.limits
        size = limits.max_array_size or (1001 if self.dry_run else queue.max_array_size())
        room = None
        if limits.max_jobs is not None:
            room = limits.max_jobs - (0 if self.dry_run else len(queue.queue()))
        finished_cells = standings_at(self.plan, home).finished_cells if self.plan else []
        return lay_out(
            groups, finished_cells, self.profile, Estimates(read_index(home).values(), home), home, size, room
        )

    def scripts(self, layout: Layout, home: Home) -> Iterator[str]:
        """Yield the script that ``sbatch`` would receive for each array."""
        folder = home.slurm / "submissions" / "DRY-RUN" / "logs"
        waits = {unit.number: f"JOB_OF_UNIT_{unit.number}" for unit in layout.units}
        for array in layout.arrays:
            runner = self.runner(folder, array, home, home.slurm / "code" / "DIGEST", waits)
            if len(array.units) > 1:
                runner.parameters["map_count"] = len(array.units)
            about = "; ".join(
                f"{unit.title}, {len(unit.cells)} cells, {unit.seconds / 60:.0f} min" for unit in array.units[:3]
            )
            more = f"; and {len(array.units) - 3} more" if len(array.units) > 3 else ""
            yield f"# --- {array.stage}: {len(array.units)} jobs ({about}{more})\n{runner.script()}"

    # --- submitting ---

    def submit(self, layout: Layout, home: Home, on_event: EventSink) -> Submission:
        """Write the submission to disk, then queue its arrays; job numbers are saved after each one."""
        provenance.export_code()
        now = at_hand(self.plan, home) if self.plan else RECORDS_ALONE
        make_room((cell for unit in layout.units for cell in unit.cells), home, now)
        code = snapshot(home)
        submission = self._write(new_folder(home, self.suite), layout, home, code)
        jobs: dict[int, str] = {}
        for array in layout.arrays:
            runner = self.runner(submission.logs, array, home, code, jobs)
            try:
                jobs_made = submit_patiently(
                    runner, [Work(submission.folder, unit.number) for unit in array.units], on_event
                )
            except FailedJobError as error:
                if not queue.full(str(error)):
                    raise BenchmarkError(_refusal(str(error), submission, jobs, home)) from error
                reason = str(error).strip().splitlines()[-1]
                on_event(
                    Event(
                        "note",
                        f"the cluster takes no more jobs now ({reason}); the same command submits the rest later",
                    )
                )
                break
            jobs |= {unit.number: str(job.job_id) for unit, job in zip(array.units, jobs_made, strict=True)}
            submission.write_jobs(jobs)
        self._tell(submission, layout, jobs, home, on_event)
        return submission

    def _write(self, folder: Path, layout: Layout, home: Home, code: Path) -> Submission:
        units, cells, requests = [], [], []
        for unit in layout.units:
            keys = [cell.spec.key for cell in unit.cells]
            resources = unit.resources
            units.append(
                SubmittedUnit(
                    unit.number,
                    unit.stage,
                    unit.title,
                    keys,
                    sorted(unit.needs),
                    round(unit.seconds, 1),
                    resources.time,
                    resources.memory,
                )
            )
            cells += [
                SubmittedCell(cell.spec.key, cell.row, cell.spec.method, cell.spec.task, cell.title, unit.number)
                for cell in unit.cells
            ]
            requests.append(self._request(unit, home))
        about = {
            "suite": self.suite,
            "profile": self.profile.model_dump(),
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "code": {**provenance.code(), "snapshot": str(code)},
            "user": getpass.getuser(),
            "host": socket.gethostname(),
        }
        return write_submission(folder, about, units, cells, requests)

    def _request(self, unit: Unit, home: Home) -> dict[str, Any]:
        """Return the content of the unit's file, which the job reads."""
        resources = unit.resources
        return {
            "stage": unit.stage,
            "home": str(home.root),
            "device": self.device or resources.where,
            "threads": resources.cpus,
            "cell_minutes": resources.cell_minutes,
            "grace": max(5.0, 0.8 * resources.signal_seconds - 5),
            "checkpoint_every": CHECKPOINT_SECONDS,
            "recipe": unit.recipe,
            "keys": [cell.spec.key for cell in unit.cells],
            "groups": [
                [{"key": cell.spec.key, "cell": cell.to_json()} for cell in group.cells] for group in unit.groups
            ],
        }

    def runner(self, logs: Path, array: Array, home: Home, code: Path, jobs: dict[int, str]) -> Runner:
        waits = sorted({jobs[number] for number in array.needs if number in jobs})
        place = Place(logs, home, code)
        return make_runner(f"ecgarena-{array.stage}", array.resources, self.profile.limits, place, waits, self.dry_run)

    def _tell(
        self, submission: Submission, layout: Layout, jobs: dict[int, str], home: Home, on_event: EventSink
    ) -> None:
        cells = sum(len(unit.cells) for unit in layout.units if unit.number in jobs)
        stages = Counter(unit.stage for unit in layout.units if unit.number in jobs)
        summary = ", ".join(f"{count} {stage}" for stage, count in stages.items())
        arrays = len({job.partition("_")[0] for job in jobs.values()})
        lines = [
            f"submitted {cells} cells as {len(jobs)} jobs ({summary}) in {arrays} calls of sbatch: {submission.folder}"
        ]
        if layout.guessed_cells:
            lines.append(
                f"{layout.guessed_cells} cells have no earlier record to go by; "
                "their time is a default (see 'plan --cost')"
            )
        if layout.left_out:
            lines.append(
                f"{len(layout.left_out)} cells wait for room in the queue; the same command submits them later"
            )
        commands = {"follow": ("status", "--watch"), "read": ("logs", "CELL"), "stop": ("cancel",)}
        lines += [f"{purpose} with: {home.command(*words)}" for purpose, words in commands.items()]
        for line in lines:
            on_event(Event("note", line))


def _refusal(error: str, submission: Submission, jobs: dict[int, str], home: Home) -> str:
    message = f"{len(jobs)} jobs of {submission.folder} are queued already; to end them: {home.command('cancel')}"
    return f"sbatch refused: {error.strip()}\n{message if jobs else 'nothing is queued'}"


def wait_for(submission: Submission, layout: Layout, home: Home, on_event: EventSink = discard_event) -> Counter[str]:
    """Wait until no submitted job is left in the queue, report records as they appear, and count them by status."""
    cells = {cell.spec.key: cell for unit in layout.units for cell in unit.cells}
    store, reported, quiet = Store(home.records), set[str](), 0
    while True:
        own_jobs = set(submission.jobs().values())
        still_queued = own_jobs & queue.queue(PATIENCE).keys()
        for key, cell in cells.items():
            record = store.get(cell.spec) if key not in reported else None
            if record is not None:
                reported.add(key)
                metrics = {record.primary: record.metrics[record.primary]} if record.primary in record.metrics else {}
                on_event(Event("cell", cell.title, values=metrics, status=record.status))
        quiet = 0 if still_queued else quiet + 1
        if quiet > 1:  # twice in a row, since a job may be between two states while it is requeued
            records = (store.get(cell.spec) for cell in cells.values())
            return Counter(record.status for record in records if record)
        time.sleep(POLL)
