"""``plan``, ``run`` and ``status``: the cells of a suite."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands.cluster import add_profile, answered_by, submitted
from benchmark.commands.leaderboards import write_leaderboard
from benchmark.commands.options import (
    add_device,
    add_json,
    add_quiet,
    add_suite,
    device_of,
    exit_code_of,
    home_of,
    plan_of,
    print_json,
    reporter_of,
)
from benchmark.commands.probing import explain_cell
from benchmark.errors import COMPLETE, INCOMPLETE, SOME_FAILED, BenchmarkError, raise_all
from benchmark.lazy_imports import EXECUTORS
from benchmark.paths import Home
from benchmark.registry import DATASETS

if TYPE_CHECKING:
    from benchmark.engine.executors import Executor
    from benchmark.planning.plan import Plan


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("plan", help="the cells of a suite: done, failed, to do, skipped and why")
    add_suite(sub)
    add_json(sub)
    sub.add_argument("--cost", action="store_true", help="estimate hours on a cluster, and name what is missing for it")
    add_profile(sub, "with --cost: the cluster's profile (default: default)")
    sub.set_defaults(function=plan)
    sub = commands.add_parser("run", help="run what a suite still lacks")
    add_suite(sub)
    sub.add_argument("--executor", default="inline", help="inline (default), processes or slurm")
    sub.add_argument("--workers", type=int, help="processes at a time (default: one per core)")
    sub.add_argument("--retry-failed", action="store_true", help="run cells again that failed in an earlier run")
    sub.add_argument("--root", type=Path, help="folder that holds one folder per dataset (default: $ECGARENA_DATA)")
    sub.add_argument("--explain", metavar="KEY", help="afterwards, explain this cell as `ecgarena explain KEY` does")
    add_quiet(sub)
    add_profile(sub, "with slurm: the cluster's profile, by name or path (default: default)")
    sub.add_argument("--wait", action="store_true", help="with slurm: stay until the jobs have ended")
    sub.add_argument("--dry-run", action="store_true", help="with slurm: print the sbatch scripts and submit nothing")
    add_device(sub)
    sub.set_defaults(function=run, out=None)
    sub = commands.add_parser("status", help="counts by method and task, from what lies on disk")
    add_suite(sub, nargs="?")
    add_json(sub)
    sub.add_argument("--submitted", action="store_true", help="what was submitted to a cluster (so without a SUITE)")
    sub.add_argument("--watch", action="store_true", help="again and again, until no job is queued or running")
    sub.add_argument("--every", type=float, default=30.0, metavar="SECONDS", help="between two looks (30)")
    sub.add_argument("--patience", type=float, default=60.0, metavar="SECONDS", help="wait for a busy scheduler (60)")
    sub.set_defaults(function=status)


def plan(options: argparse.Namespace) -> int:
    """Print what a run would do."""
    if options.cost:
        return answered_by("cost")(options)
    from benchmark.engine.caveats import card_verdict
    from benchmark.planning.plan import data_digests
    from benchmark.records.store import Store

    home = home_of(options)
    made = plan_of(options)
    made.sort_by_state(Store(home.records), data_digests(made, home))
    if options.json:
        states = {"done": made.done, "failed": made.failed, "todo": made.todo}
        found = {
            state: [{"key": cell.spec.key, "cell": cell.title, "leak": card_verdict(cell).to_json()} for cell in cells]
            for state, cells in states.items()
        }
        print_json(found | {"skipped": [vars(skip) for skip in made.skipped]})
        return COMPLETE
    print(f"{len(made.cells)} cells: {len(made.done)} done, {len(made.failed)} failed, {len(made.todo)} to do")
    for job in made.jobs(made.todo):
        print(f"  {job.title}: {len(job.cells)} cells")
    for job in made.jobs(made.cells):  # by the cards; a run also compares patients and signals
        print(f"  leaks: {job.title}: {card_verdict(job.cells[0])}")
    for skip in made.skipped:
        print(f"  skipped: {skip.row} × {skip.task}: {skip.reason}")
    return COMPLETE


def run(options: argparse.Namespace) -> int:
    """Prepare, pre-train, run what is missing, print the leaderboard."""
    from benchmark.engine.events import Event, counting_cells
    from benchmark.planning.plan import data_digests
    from benchmark.records.store import Store

    home, store = home_of(options), Store(home_of(options).records)
    made = plan_of(options)
    runner = _executor(options, made)
    with reporter_of(options) as on_event:
        if not options.dry_run:
            _prepare_all(made, home, options.root, on_event)
        made.sort_by_state(store, data_digests(made, home))
        wanted = made.todo + (made.failed if options.retry_failed else [])
        elsewhere, wanted = len(wanted), runner.not_in_flight(wanted, home)
        elsewhere -= len(wanted)
        for cell in wanted if not options.dry_run else []:
            store.discard(cell.spec)
        for skip in made.skipped:
            on_event(Event("note", f"skipped {skip.row} × {skip.task}: {skip.reason}"))
        busy = f", {elsewhere} under way on the cluster" if elsewhere else ""
        on_event(Event("note", f"{len(made.cells)} cells: {len(made.done)} done before{busy}, {len(wanted)} to run"))
        runner.run(made.jobs(wanted), home, device_of(options), counting_cells(on_event, len(wanted)))
    if options.executor in EXECUTORS and not options.wait:
        return COMPLETE
    write_leaderboard(made, store, home.leaderboards, ("md", "csv"), show=True)
    made.sort_by_state(store, data_digests(made, home))
    if options.explain:
        known = {cell.spec.key: cell.weights_file for cell in made.cells}
        weights = next((file for key, file in known.items() if file and key.startswith(options.explain)), None)
        with reporter_of(options) as on_event:
            explain_cell(options, options.explain, Path(weights) if weights else None, {}, on_event)
    return exit_code_of(made, options.suite, retried=options.retry_failed)


def _executor(options: argparse.Namespace, made: Plan) -> Executor:
    from benchmark.engine.executors import executor

    if options.executor not in EXECUTORS:
        given = {
            "--profile": options.profile,
            "--resource": options.resource,
            "--wait": options.wait,
            "--dry-run": options.dry_run,
        }
        wrong = [f"{name} is for --executor {', '.join(EXECUTORS)}" for name, value in given.items() if value]
        raise_all(wrong, f"--executor {options.executor}:")
        return executor(options.executor, options.workers)
    return executor(
        options.executor,
        profile=options.profile or "default",
        resources=options.resource,
        wait=options.wait,
        dry_run=options.dry_run,
        plan=made,
        device=options.device,
    )


def status(options: argparse.Namespace) -> int:
    """Counts by row and task; the exit code says whether the suite is complete.

    Cells that a cluster has queued or running are told apart from the missing ones. Without a suite, or with
    ``--submitted``, the counts are those of what was submitted to a cluster.
    """
    if options.suite is None or options.submitted or options.watch:
        return answered_by("status")(options)
    from benchmark.planning.plan import data_digests
    from benchmark.records.store import Store

    home = home_of(options)
    made = plan_of(options)
    made.sort_by_state(Store(home.records), data_digests(made, home))
    busy = submitted(home)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for state, cells in (("done", made.done), ("failed", made.failed), ("missing", made.todo)):
        for cell in cells:
            now = busy.get(cell.spec.key, state) if state == "missing" else state
            counts.setdefault((cell.row, cell.spec.task), Counter())[now] += 1
    rows = [{"method": row, "task": task, **found} for (row, task), found in counts.items()]
    if options.json:
        print_json(rows)
    else:
        states = ("done", "running", "queued", "failed", "missing") if busy else ("done", "failed", "missing")
        print(f"{'method':20s} {'task':20s}" + "".join(f" {state:>7s}" for state in states))
        for row in rows:
            numbers = "".join(f" {row.get(state, 0):7d}" for state in states)
            print(f"{row['method']:20s} {row['task']:20s}{numbers}")
        for cell in made.failed[:10]:
            record = Store(home.records).get(cell.spec)
            message = record.error["message"].splitlines()[0] if record and record.error else ""
            print(f"failed: {cell.title}: {message}")
    return SOME_FAILED if made.failed else (INCOMPLETE if made.todo else COMPLETE)


def _prepare_all(made: Plan, home: Home, root: Path | None, on_event: Any) -> None:
    """Prepare every dataset that cells or pre-training need; all that are missing become one error."""
    from benchmark.data.store.preparation import prepare
    from benchmark.engine.events import Event
    from benchmark.errors import MissingError
    from benchmark.records.record import datasets_of

    needed: dict[str, tuple[str, dict[str, Any]]] = {}
    for cell in made.cells:
        spec = cell.spec
        wanted = datasets_of(spec)
        if spec.pretraining:
            wanted.append((spec.pretraining["dataset"], spec.pretraining["dataset_config"]))
        needed |= {json.dumps(entry, sort_keys=True): entry for entry in wanted}
    problems = []
    for name, config in needed.values():

        def progress(done: int, total: int, name: str = name) -> None:
            on_event(Event("step", f"preparing {name}", done, total))

        try:
            prepare(name, config, home, root / name if root and DATASETS.get(name).needs_root else None, progress)
        except BenchmarkError as error:
            problems.append(str(error))
    raise_all(problems, "not all data is at hand:", MissingError)
