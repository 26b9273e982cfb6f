"""``plan``, ``run`` and ``status``: the cells of a suite."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands.catalogue import add_command
from benchmark.commands.cluster import add_profile, answered_by, submitted_cells
from benchmark.commands.leaderboards import write_leaderboard
from benchmark.commands.options import (
    RECORDS_HELP,
    add_device,
    add_json,
    add_quiet,
    add_suite,
    device_of,
    exit_code_of,
    home_of,
    plan_of,
    print_json,
    records_of,
    remove_leftovers_of_kills,
    reporter_of,
)
from benchmark.commands.presenting import presentation_of
from benchmark.commands.probing import explain_cell
from benchmark.commands.tuning import refuse_untuned, tuning_json, tuning_lines
from benchmark.errors import COMPLETE, INCOMPLETE, SOME_FAILED, BenchmarkError, did_you_mean, raise_all
from benchmark.lazy_imports import executor_plugins
from benchmark.names import one_line
from benchmark.paths import Home
from benchmark.registry import DATASETS

if TYPE_CHECKING:
    from benchmark.engine.executors import Executor
    from benchmark.planning.contamination import Gate
    from benchmark.planning.plan import Cell, CellGroup, Plan
    from benchmark.planning.skips import Skip
    from benchmark.planning.standing import Standing, Standings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "plan")
    add_suite(sub)
    add_json(sub)
    sub.add_argument("--cost", action="store_true", help="estimate hours on a cluster, and name what is missing for it")
    add_profile(sub, "with --cost: the cluster's profile (default: default)")
    sub.set_defaults(function=plan)
    sub = add_command(commands, "run")
    add_suite(sub)
    sub.add_argument("--executor", default="inline", help="inline (default), processes or slurm")
    sub.add_argument("--workers", type=int, help="processes at a time (default: one per core)")
    sub.add_argument("--retry-failed", action="store_true", help="run cells again that failed in an earlier run")
    sub.add_argument(
        "--again", nargs="+", default=[], metavar="ROW", help="make these rows anew; what they have is set aside"
    )
    sub.add_argument("--root", type=Path, help="folder that holds one folder per dataset (default: $ECGARENA_DATA)")
    sub.add_argument("--explain", metavar="KEY", help="afterwards, explain this cell as `ecgarena explain KEY` does")
    add_quiet(sub)
    add_profile(sub, "with slurm: the cluster's profile, by name or path (default: default)")
    sub.add_argument("--wait", action="store_true", help="with slurm: stay until the jobs have ended")
    sub.add_argument("--dry-run", action="store_true", help="with slurm: print the sbatch scripts and submit nothing")
    add_device(sub)
    sub.set_defaults(function=run, out=None)
    sub = add_command(commands, "status")
    add_suite(sub, nargs="?")
    add_json(sub)
    sub.add_argument("--records", type=Path, help=RECORDS_HELP)
    sub.add_argument(
        "--submitted", action="store_true", help="count what was submitted to a cluster (the default without a suite)"
    )
    sub.add_argument("--watch", action="store_true", help="repeat until no job is queued or running")
    sub.add_argument(
        "--every", type=float, default=30.0, metavar="SECONDS", help="time between two looks of --watch (default: 30)"
    )
    sub.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="longest wait for a busy scheduler (default: 60)",
    )
    sub.set_defaults(function=status)


def plan(options: argparse.Namespace) -> int:
    """Print what a run would do."""
    if options.cost:
        return answered_by("cost")(options)
    from benchmark.planning.contamination import Gate
    from benchmark.planning.plan import group_cells
    from benchmark.planning.standing import standings_at

    home, plan = home_of(options), plan_of(options)
    standings, gate = standings_at(plan, home), Gate(home, quick=True)
    if options.json:
        skips = {"skipped": [vars(skip) for skip in plan.skips]}
        print_json(_overview(standings, gate) | skips | tuning_json(options, home))
        return COMPLETE
    print(_counts(standings))
    for group in group_cells(standings.to_run):
        print(f"  {group.title}: {len(group.cells)} cells")
    for line in _reasons(standings):
        print(f"  {line}")
    # several trainings of a row saw the same recordings: one line for all
    for line in dict.fromkeys(line for group in group_cells(plan.cells) for line in _contamination(group, gate)):
        print(f"  contamination: {line}")
    for skip in plan.skips:
        print(f"  skipped: {skip.row} × {skip.task}: {skip.reason}")
    for line in tuning_lines(options, home):
        print(f"  tuning: {line}")
    return COMPLETE


def _overview(standings: Standings, gate: Gate) -> dict[str, list[dict[str, Any]]]:
    """Return the cells in three groups: those with a number, those that failed, those to run; a field per fact."""
    groups = {"done": standings.finished_cells, "failed": standings.failed_cells, "todo": standings.to_run}
    by_key = {standing.cell.spec.key: standing for standing in standings.all}
    return {name: [_cell_fields(by_key[cell.spec.key], gate) for cell in cells] for name, cells in groups.items()}


def _cell_fields(standing: Standing, gate: Gate) -> dict[str, Any]:
    cell, spec = standing.cell, standing.cell.spec
    return {
        "key": spec.key,
        "cell": cell.title,
        "row": cell.row,
        **{name: getattr(spec, name) for name in ("method", "task", "dataset", "label_set")},
        "question": cell.question,
        "signal": spec.signal,
        "member": cell.member,
        "method_config": spec.method_config,
        "limit": spec.limit,
        "state": standing.state,
        "why": standing.why,
        "leak": gate.verdict(cell).to_json(),
    }


def _contamination(group: CellGroup, gate: Gate) -> list[str]:
    """Return ``merl on ptbxl: clean: ...``; with tasks where verdicts differ, as when one uses another dataset."""
    verdicts = gate.verdicts(group.cells)
    if len(verdicts) == 1:
        return [f"{group.title}: {verdict}" for verdict in verdicts]
    tasks = {verdict: ", ".join(dict.fromkeys(cell.spec.task for cell in cells)) for verdict, cells in verdicts.items()}
    return [f"{group.title} ({tasks[verdict]}): {verdict}" for verdict in verdicts]


def _counts(standings: Standings) -> str:
    """Return ``760 cells: 700 done, 10 outdated, 0 failed, 50 to do``."""
    outdated = len(standings.cells("outdated"))
    note = f", {outdated} outdated" if outdated else ""
    done, failures, to_do = len(standings.cells("done")), len(standings.failed_cells), len(standings.to_run)
    return f"{len(standings.all)} cells: {done} done{note}, {failures} failed, {to_do} to do"


def _reasons(standings: Standings) -> list[str]:
    """Return one line per reason why existing records do not count, or count with a mark."""
    return [
        f"{state}: {len(cells)} cells, of {', '.join(dict.fromkeys(cell.row for cell in cells))}: {why}"
        for state in ("outdated", "stale", "incomplete")
        for why, cells in standings.reasons(state).items()
    ]


def run(options: argparse.Namespace) -> int:
    """Prepare data, pre-train, run the missing cells and print the leaderboard."""
    from benchmark.engine.events import Event, counting_cells
    from benchmark.engine.fitting import check_weights
    from benchmark.engine.joint_pretraining import is_first_process, join_pretraining, pretrain_first, refuse_launcher
    from benchmark.leaderboard.tables import Leaderboard
    from benchmark.planning.anew import set_aside_rows
    from benchmark.planning.plan import group_cells
    from benchmark.planning.standing import at_hand, standings_at
    from benchmark.records.store import Store

    home, plan = home_of(options), plan_of(options)
    refuse_untuned(plan)
    _check_rows(plan, options.again)
    runner = _executor(options, plan)
    refuse_launcher(options.executor)
    if not is_first_process():
        join_pretraining(home, device_of(options))
        return COMPLETE
    with reporter_of(options) as on_event:
        if not options.dry_run:
            remove_leftovers_of_kills(home, on_event)
            _prepare_all(plan, home, options.root, on_event)
            for line in set_aside_rows(plan, home, options.again):
                on_event(Event("note", line))
        standings = standings_at(plan, home)
        cells = standings.to_run + (standings.failed_cells if options.retry_failed else [])
        elsewhere, cells = len(cells), runner.not_in_flight(cells, home)
        elsewhere -= len(cells)
        if options.executor not in executor_plugins():  # methods are not built on a login node
            check_weights(cells)
        for line in [
            *(f"skipped {skip.row} × {skip.task}: {skip.reason}" for skip in plan.skips),
            *_reasons(standings),
        ]:
            on_event(Event("note", line))
        busy = f", {elsewhere} under way on the cluster" if elsewhere else ""
        reusable = len(standings.finished_cells)
        on_event(Event("note", f"{len(plan.cells)} cells: {reusable} done before{busy}, {len(cells)} to run"))
        groups = group_cells(cells)
        pretrain_first(groups, home, device_of(options), on_event)
        runner.run(groups, home, device_of(options), counting_cells(on_event, len(cells)))
    if options.executor in executor_plugins() and not options.wait:
        return COMPLETE
    board = Leaderboard(plan, Store(home.records), at_hand(plan, home), presentation_of(options, plan))
    write_leaderboard(board, home.leaderboards, ("md", "csv"))
    if options.explain:
        weights_files = {cell.spec.key: cell.weights_file for cell in plan.cells}
        weights = next((file for key, file in weights_files.items() if file and key.startswith(options.explain)), None)
        with reporter_of(options) as on_event:
            explain_cell(options, [options.explain], Path(weights) if weights else None, {}, on_event)
    return exit_code_of(board.standings, plan, options, retried=options.retry_failed)


def _check_rows(plan: Plan, again: list[str]) -> None:
    rows = dict.fromkeys(cell.row for cell in plan.cells)
    absent = {skip.row: f"{skip.row!r} is skipped: {skip.reason}" for skip in plan.rows_without_weights}
    unknown = [row for row in again if row not in rows]
    raise_all([absent.get(row, f"no row {row!r} in this run{did_you_mean(row, rows)}") for row in unknown], "--again:")


def _executor(options: argparse.Namespace, plan: Plan) -> Executor:
    from benchmark.engine.executors import executor

    if options.executor not in executor_plugins():
        options_given = {
            "--profile": options.profile,
            "--resource": options.resource,
            "--wait": options.wait,
            "--dry-run": options.dry_run,
        }
        wrong = [
            f"{name} is for --executor {', '.join(executor_plugins())}"
            for name, value in options_given.items()
            if value
        ]
        raise_all(wrong, f"--executor {options.executor}:")
        return executor(options.executor, options.workers)
    return executor(
        options.executor,
        profile=options.profile or "default",
        resources=options.resource,
        wait=options.wait,
        dry_run=options.dry_run,
        plan=plan,
        device=options.device,
    )


def status(options: argparse.Namespace) -> int:
    """Print counts by row and task; the exit code says whether the suite is complete.

    Cells that are queued or running on a cluster are counted apart from missing ones. Without a suite, or with
    ``--submitted``, only cells submitted to a cluster are counted.
    """
    if options.suite is None or options.submitted or options.watch:
        return answered_by("status")(options)
    standings, skips = _standings_of(options)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for standing in standings.all:
        counts.setdefault((standing.cell.row, standing.cell.spec.task), Counter())[standing.state] += 1
    rows = [{"method": row, "task": task, **states} for (row, task), states in counts.items()]
    if options.json:
        print_json([*rows, *({"method": skip.row, "task": skip.task, "skipped": skip.reason} for skip in skips)])
    else:
        _print_counts(rows, standings)
        for skip in skips:
            print(f"skipped: {skip.row} × {skip.task}: {skip.reason}")
        _print_failures(standings, options.records or home_of(options).records)
    return SOME_FAILED if standings.failed_cells else (INCOMPLETE if standings.to_run else COMPLETE)


def _standings_of(options: argparse.Namespace) -> tuple[Standings, list[Skip]]:
    """Return where the cells stand, and the rows that have no cell for want of their weights."""
    from benchmark.planning.standing import standings, standings_at

    if options.records is not None:
        plan, store, now = records_of(options)
        current = standings(plan, store, now)
    else:
        home, plan = home_of(options), plan_of(options)
        current = standings_at(plan, home, submitted_cells(home))
    return current, plan.rows_without_weights


def _print_counts(rows: list[dict[str, Any]], standings: Standings) -> None:
    """Print counts by row and task for the states that occur, then the reasons."""
    from benchmark.planning.standing import DONE, FAILED, MISSING, STATES

    states = [state for state in STATES if state in (DONE, FAILED, MISSING) or standings.cells(state)]
    print(f"{'method':20s} {'task':20s}" + "".join(f" {state:>{max(7, len(state))}s}" for state in states))
    for row in rows:
        numbers = "".join(f" {row.get(state, 0):{max(7, len(state))}d}" for state in states)
        print(f"{row['method']:20s} {row['task']:20s}{numbers}")
    for line in _reasons(standings):
        print(line)


def _print_failures(standings: Standings, records: Path, most: int = 10) -> None:
    """Print each failure of a row once, with its whole message and its first cell."""
    from benchmark.planning.standing import FAILED
    from benchmark.records.store import Store

    reasons: dict[tuple[str, str], list[Cell]] = {}
    for standing in standings.all:
        if standing.state == FAILED:
            reasons.setdefault((standing.cell.row, standing.why), []).append(standing.cell)
    for (_, first_line), cells in list(reasons.items())[:most]:
        record = Store(records).get(cells[0].spec)
        message = record.error["message"] if record and record.error else first_line
        more = f" and {len(cells) - 1} more of its row" if len(cells) > 1 else ""
        print(f"failed: {cells[0].title}{more}: " + "\n".join(map(one_line, message.splitlines())))
    if len(reasons) > most:
        print(f"... and {len(reasons) - most} more reasons")


def _prepare_all(plan: Plan, home: Home, root: Path | None, on_event: Any) -> None:
    """Prepare every dataset that cells or pre-training need."""
    from benchmark.records.spec import datasets_of, datasets_of_recipe

    places: list[tuple[str, dict[str, Any]]] = []
    label_sets: dict[str, dict[str, None]] = {}  # the label sets and targets of each dataset
    for cell in plan.cells:
        own, *_ = datasets = datasets_of(cell.spec)
        label_sets.setdefault(json.dumps(own, sort_keys=True), {})[cell.spec.label_set] = None
        places += datasets
        if cell.spec.pretraining:
            places += datasets_of_recipe(cell.spec.pretraining)
    prepare_datasets(places, home, root, on_event, label_sets)


def prepare_datasets(
    places: list[tuple[str, dict[str, Any]]],
    home: Home,
    root: Path | None,
    on_event: Any,
    label_sets: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Prepare datasets, each by name and options; report all missing ones in one error.

    So it is with `label_sets` that an older store lacks, by the dataset's name and options as JSON.
    """
    from benchmark.data.store.preparation import prepare
    from benchmark.engine.events import Event
    from benchmark.errors import DiskError, MissingError

    datasets = {json.dumps(entry, sort_keys=True): entry for entry in places}
    problems = []
    for key, (name, config) in datasets.items():

        def progress(done: int, total: int, name: str = name) -> None:
            on_event(Event("step", f"preparing {name}", done, total))

        try:
            data = prepare(
                name, config, home, root / name if root and DATASETS.get(name).needs_root else None, progress
            )
            for label_set in (label_sets or {}).get(key, ()):
                data.refuse_absent(label_set)
        except DiskError:
            raise
        except BenchmarkError as error:
            problems.append(str(error))
    raise_all(problems, "not all data is at hand:", MissingError)
