"""``tune``: equal tuning of a suite's rows, and the file of choices that `run` uses."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import configuration
from benchmark.commands.catalogue import add_command
from benchmark.commands.cluster import add_profile
from benchmark.commands.options import (
    add_device,
    add_home,
    add_json,
    add_quiet,
    add_set,
    device_of,
    home_of,
    print_json,
    remove_leftovers_of_kills,
    reporter_of,
)
from benchmark.commands.trial_tables import cost_line, row_json, row_lines
from benchmark.errors import COMPLETE, SOME_FAILED, DiskError, UsageError, did_you_mean, raise_all
from benchmark.lazy_imports import CLUSTER_COMMANDS, executor_plugins, load
from benchmark.paths import Home

if TYPE_CHECKING:
    from benchmark.engine.tuning import Search
    from benchmark.planning.plan import Plan
    from benchmark.planning.suites import Suite
    from benchmark.planning.tuning import RowTuning


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "tune")
    sub.add_argument("suite", help="name of a suite, or path of a .toml file")
    sub.add_argument("--methods", nargs="+", default=[], metavar="ROW", help="only these rows")
    add_set(sub, "change the suite, as in tune.trials=4")
    sub.add_argument("--workers", type=int, default=1, help="processes that share the trainings (default: 1)")
    sub.add_argument(
        "--executor", default="inline", help="inline (default), or slurm: submit an array of jobs and return"
    )
    sub.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="with slurm: number of jobs (default: one for each trial that can run at once)",
    )
    add_profile(sub, "with slurm: the cluster's profile (default: default)")
    sub.add_argument("--retry-failed", action="store_true", help="run trials again that failed in an earlier call")
    sub.add_argument(
        "--again", nargs="+", default=[], metavar="ROW", help="tune these rows anew; their trials are set aside"
    )
    sub.add_argument("--root", type=Path, help="folder that holds one folder per dataset (default: $ECGARENA_DATA)")
    sub.add_argument(
        "--dry-run", action="store_true", help="print where the trials stand, with slurm also the script; run nothing"
    )
    add_device(sub)
    add_home(sub)
    add_json(sub)
    add_quiet(sub)
    sub.set_defaults(function=tune)


def tune(options: argparse.Namespace) -> int:
    """Run the trials that are missing, write the choices, and print both."""
    from benchmark.engine import tuning as engine
    from benchmark.engine.preemption import stopping_on_signals
    from benchmark.planning.choice_files import choice_path
    from benchmark.planning.suite_files import suite_path

    suite, rows = _tunings(options)
    home, path = home_of(options), choice_path(suite_path(options.suite))
    on_cluster = _is_for_cluster(options)
    if options.dry_run:
        code = _report([engine.look(row, home) for row in rows], options, None)
        return _submit(suite, rows, options, home) if on_cluster and not options.json else code
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("a launcher started several processes; trials train in one each: use --workers instead")
    if options.workers < 1:
        raise UsageError(f"--workers is {options.workers}, it must be at least 1")
    _refuse_to_replace(rows, options, path)
    _check_folder(path)
    _begin(rows, options, home)
    if on_cluster:
        return _submit(suite, rows, options, home)
    searches: dict[str, Search] = {}

    def finish(search: Search) -> None:
        searches[search.tuning.row] = search
        entry = engine.choice_of(search)
        if entry is not None:
            engine.keep_choice(entry, path, suite.name, home)

    with stopping_on_signals(), _helping_processes(options, home), reporter_of(options) as on_event:
        engine.tune(rows, home, device_of(options), on_event, finish)
    return _report([searches[row.row] for row in rows], options, path)


def _tunings(options: argparse.Namespace) -> tuple[Suite, list[RowTuning]]:
    from benchmark.planning.plan import make_plan
    from benchmark.planning.suites import load_suite
    from benchmark.planning.tuning import tunings

    suite = load_suite(options.suite, configuration.parse_assignments(options.assignments))
    rows = tunings(suite, options.methods)
    if not rows:
        raise UsageError(f"the suite {suite.name} has no row with a 'tune' table (docs/tuning.md shows one)")
    names = [row.row for row in rows]
    make_plan(suite, names)  # every mistake in these rows, in the tasks and in the datasets is reported now
    raise_all(
        [f"no row {row!r} in this call{did_you_mean(row, names)}" for row in options.again if row not in names],
        "--again:",
    )
    return suite, rows


def _refuse_to_replace(rows: list[RowTuning], options: argparse.Namespace, path: Path) -> None:
    """Refuse to replace choices of the suite as it stands by those of a suite that ``--set`` changed."""
    if not options.assignments:
        return
    others = [row.row for row in rows if row.block.choice and row.block.choice["tuning"] != row.digest]
    problems = [f"{row}: {path.name} has its choice by another search" for row in others]
    raise_all(problems, "--set would replace choices; copy the suite to a file of another name and tune that:")


def _check_folder(path: Path) -> None:
    """Raise where the choice could not be written at the end."""
    if not os.access(path.parent, os.W_OK):
        raise DiskError(f"{path.name} belongs beside the suite, and {path.parent} cannot be written to: copy the suite")


def _begin(rows: list[RowTuning], options: argparse.Namespace, home: Home) -> None:
    """Prepare the data, and set aside what is to be run anew."""
    from benchmark.commands.running import prepare_datasets
    from benchmark.engine import tuning as engine
    from benchmark.engine.events import Event

    with reporter_of(options) as on_event:
        remove_leftovers_of_kills(home, on_event)
        prepare_datasets([place for row in rows for place in row.datasets], home, options.root, on_event)
        for row in rows:
            search, count = engine.look(row, home), 0
            if row.row in options.again:
                count = engine.set_all_aside(search, home)
            elif options.retry_failed:
                count = engine.set_failures_aside(search, home)
            if count:
                on_event(Event("note", f"{row.row}: {count} trials set aside, to be run anew"))


def _is_for_cluster(options: argparse.Namespace) -> bool:
    """Whether an array of jobs is to do the work; refuse options that do not fit that choice."""
    if options.executor == "inline":
        wrong = {"--jobs": options.jobs, "--profile": options.profile, "--resource": options.resource}
        raise_all(
            [f"{name} is for --executor slurm" for name, value in wrong.items() if value not in (None, [])],
            "--executor inline:",
        )
        return False
    if options.executor != "slurm" or options.executor not in executor_plugins():
        executors = ("inline", "slurm")
        raise UsageError(f"no executor {options.executor!r} runs trials{did_you_mean(options.executor, executors)}")
    problems = ["--workers is for this machine; with slurm it is --jobs"] if options.workers != 1 else []
    problems += (
        [f"--jobs is {options.jobs}, it must be at least 1"] if options.jobs is not None and options.jobs < 1 else []
    )
    raise_all(problems, "--executor slurm:")
    return True


def _submit(suite: Suite, rows: list[RowTuning], options: argparse.Namespace, home: Home) -> int:
    """Queue jobs that share the trials and return; they write the choice beside the suite themselves."""
    from benchmark.engine import tuning as engine
    from benchmark.planning.suite_files import suite_path

    most = sum(len(engine.look(row, home).progress.jobs) for row in rows)
    if not most:
        print("all trials are finished; to write the choice: the same command without --executor")
        return COMPLETE
    words = _words(options, home, str(suite_path(options.suite).absolute()))
    with reporter_of(options) as on_event:
        jobs = load(CLUSTER_COMMANDS).submit_tuning(
            suite.name, words, options.jobs or most, home, on_event, options.profile or "default", options.resource,
            options.dry_run,
        )  # fmt: skip
    if options.json:
        print_json({"jobs": jobs})
    elif jobs:
        print(f"submitted {len(jobs)} jobs that share the trials: {', '.join(jobs)}")
        print(f"follow with: {shlex.join(['ecgarena', *words, '--dry-run'])}")
        print(f"stop with: scancel {jobs[0].partition('_')[0]}")
    return COMPLETE


def _words(options: argparse.Namespace, home: Home, suite: str) -> list[str]:
    """Return the command of a process that takes part, without the name of the program."""
    words = ["tune", suite, "--home", str(home.root)]
    words += ["--methods", *options.methods] if options.methods else []
    words += [word for pair in options.assignments for word in ("--set", pair)]
    return words + (["--device", options.device] if options.device else [])


@contextmanager
def _helping_processes(options: argparse.Namespace, home: Home) -> Iterator[None]:
    """Let more processes with the same command share the trainings; they end with this one."""
    if options.workers == 1:
        yield
        return
    from benchmark.engine.run import limit_threads
    from benchmark.records import provenance

    threads = max(1, (os.cpu_count() or 1) // options.workers)
    limit_threads(threads)
    provenance.export_code()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "benchmark", *_words(options, home, options.suite), "--quiet"]
    helpers = [
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(options.workers - 1)
    ]
    try:
        yield
    finally:
        for helper in helpers:
            helper.terminate()
        for helper in helpers:
            helper.wait()


def refuse_untuned(plan: Plan) -> None:
    """Refuse to run tuned rows whose values are not chosen yet, or were chosen in another search."""
    from benchmark.errors import MissingError

    raise_all([f"{row}: {why}" for row, why in plan.untuned.items()], "rows without their values:", MissingError)


def tuning_lines(options: argparse.Namespace, home: Home) -> list[str]:
    """Return a line on the tuning of each tuned row for `plan`: what it costs, and how far it is."""
    return [f"{search.tuning.row}: {cost_line(search)}" for search in _searches(options, home)]


def tuning_json(options: argparse.Namespace, home: Home) -> dict[str, Any]:
    """Return the same for scripts; {} where no row is tuned."""
    searches = [row_json(search, None) for search in _searches(options, home)]
    keys = ("row", "tuning", "measure", "budget")
    return {"tuning": [{key: search[key] for key in keys} for search in searches]} if searches else {}


def _searches(options: argparse.Namespace, home: Home) -> list[Search]:
    from benchmark.planning.suites import load_suite
    from benchmark.planning.tuning import tunings

    suite = load_suite(options.suite, configuration.parse_assignments(options.assignments))
    rows = [row for row in tunings(suite) if not options.methods or row.row in options.methods]
    if not rows:
        return []
    from benchmark.engine.tuning import look

    return [look(row, home) for row in rows]


def _report(searches: list[Search], options: argparse.Namespace, path: Path | None) -> int:
    """Print the trials of each row and what was chosen; return the exit code."""
    from benchmark.engine.tuning import choice_of

    choices = [choice_of(search) if search.progress.finished else None for search in searches]
    if options.json:
        print_json([row_json(search, choice) for search, choice in zip(searches, choices, strict=True)])
    else:
        for search, choice in zip(searches, choices, strict=True):
            print("\n".join(row_lines(search, choice)))
        if path is not None and any(choices):
            print(f"written: {path}")
    failed = path is not None and any(choice is None for choice in choices)
    return SOME_FAILED if failed else COMPLETE
