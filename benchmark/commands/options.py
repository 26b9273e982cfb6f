"""Options that several commands share, and the objects built from them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import configuration
from benchmark.disk import check_home
from benchmark.errors import COMPLETE, INCOMPLETE, SOME_FAILED, UsageError, raise_all
from benchmark.paths import Home

if TYPE_CHECKING:
    from benchmark.engine.events import BarReporter, EventSink, LineReporter
    from benchmark.planning.plan import Plan
    from benchmark.planning.standing import AtHand, Standings
    from benchmark.records.store import Store


DATASET_HELP = "name of a dataset, as in `ecgarena list datasets`"


RECORDS_HELP = "read records from this folder or Parquet file instead of HOME/records"


CELL_HELP = (
    "key of a finished cell or its beginning, or words such as: merl linear_probe ptbxl/super fraction=0.1 seed=0"
)


def add_suite(sub: argparse.ArgumentParser, nargs: str | None = None) -> None:
    sub.add_argument("suite", nargs=nargs, help="name of a suite, or path of a .toml file")
    sub.add_argument("--methods", nargs="+", default=[], metavar="ROW", help="only these rows")
    sub.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="only these tasks")
    sub.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="use N recordings per split; such results are kept apart and marked as partial",
    )
    add_set(sub, "change the suite, as in methods.merl.config.width=64")
    add_home(sub)


def add_set(sub: argparse.ArgumentParser, help: str) -> None:
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments", help=help)


def add_home(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--home", type=Path, help="folder of data, weights and records (default: $ECGARENA_HOME or ./runs)"
    )


def add_device(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def add_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="print the result as JSON, for scripts")


def print_json(value: Any) -> None:
    """Print JSON; if stdout's encoding lacks a letter, write non-ASCII letters as escapes so that none is lost."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=1)
    print(text)


def add_quiet(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "-q", "--quiet", action="store_true", help="print no progress, only notes, failures and the result"
    )


def add_verbose(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "-v", "--verbose", action="store_true", help="print every step of the work, and errors with their traceback"
    )


def reporter_of(options: argparse.Namespace) -> LineReporter | BarReporter:
    """Return a reporter: bars on a terminal, plain lines elsewhere; ``-q`` and ``-v`` set how much it prints."""
    from benchmark.engine.events import reporter

    return reporter(options.quiet, options.verbose)


def home_of(options: argparse.Namespace) -> Home:
    """Return the chosen home; raise `DiskError` if it exists but cannot be read."""
    home = Home(options.home.absolute()) if options.home else Home.default()
    check_home(home)
    return home


def remove_leftovers_of_kills(home: Home, on_event: EventSink) -> None:
    """Remove unfinished files of killed runs, which may be of full size, before a command writes."""
    from benchmark.engine.events import Event
    from benchmark.leftovers import remove_leftovers

    for path in remove_leftovers(home):
        on_event(Event("note", f"removed {path}, which a killed run had not finished writing"))


def device_of(options: argparse.Namespace) -> str:
    from benchmark.engine.building import checked_device

    return checked_device(options.device)


def plan_of(options: argparse.Namespace) -> Plan:
    from benchmark.planning.plan import make_plan
    from benchmark.planning.suites import load_suite

    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit is {options.limit}, it must be at least 1")
    suite = load_suite(options.suite, configuration.parse_assignments(options.assignments))
    return make_plan(suite, options.methods, options.tasks, options.limit, given_of(options))


def records_of(options: argparse.Namespace) -> tuple[Plan, Store, AtHand]:
    """Return the plan and the records that a command reads, and the present state to check them against.

    With ``--records`` no such check is made, and a plan beside the records is used without weights or plug-ins.
    """
    from benchmark.planning.plan_file import read_plan
    from benchmark.planning.standing import RECORDS_ALONE, at_hand
    from benchmark.records.store import Store

    if options.records is None:
        plan, home = plan_of(options), home_of(options)
        return plan, Store(home.records), at_hand(plan, home)
    plan_beside = read_plan(options.records, options.methods, options.tasks)
    if plan_beside is not None:
        _check_plan(plan_beside, options)
        plan = replace(plan_beside, arguments=given_of(options), changes=_changes(plan_beside, options.suite))
        return plan, Store(options.records), RECORDS_ALONE
    return plan_of(options), Store(options.records), RECORDS_ALONE


def _changes(plan: Plan, suite: str) -> tuple[str, ...]:
    """Return what the suite's file asks otherwise than the plan beside records; nothing where there is no such file."""
    from benchmark.planning.suite_changes import suite_changes
    from benchmark.planning.suites import load_suite

    try:
        return tuple(suite_changes(plan.suite, load_suite(suite)))
    except UsageError:  # records travel without it, and need it for nothing else
        return ()


def _check_plan(plan: Plan, options: argparse.Namespace) -> None:
    """Refuse the plan stored beside records if the suite, ``--set`` or ``--limit`` asks for another one."""
    from benchmark.planning.suite_files import suite_name

    name = suite_name(options.suite)
    problems = [] if name == plan.suite.name else [f"they were collected for the suite {plan.suite.name}, not {name}"]
    problems += ["--set changes a suite, and their plan is fixed"] if options.assignments else []
    limits = {cell.spec.limit for cell in plan.cells}
    problems += ["--limit: they were made without"] if options.limit is not None and limits != {options.limit} else []
    raise_all(problems, f"the records in {options.records} come with their plan:")


def given_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the suite as the user gave it: its name or path, and the changes by ``--set``."""
    return (options.suite, *(part for pair in options.assignments for part in ("--set", pair)))


def exit_code_of(standings: Standings, plan: Plan, options: argparse.Namespace, retried: bool = False) -> int:
    """Return the exit code; print what is left to do and its command, with suite, rows, tasks and home as given."""
    scope = scope_of(options)
    if standings.failed_cells:
        print(f"{len(standings.failed_cells)} cells failed; which ones: {plan.command('status', *scope)}")
        if not retried:
            print(f"run them again with: {plan.command('run', *scope, '--retry-failed')}")
        return SOME_FAILED
    if standings.to_run:
        print(f"{len(standings.to_run)} cells are missing; run them with: {plan.command('run', *scope)}")
        return INCOMPLETE
    return COMPLETE


def scope_of(options: argparse.Namespace) -> list[str]:
    """Return ``--methods``, ``--tasks``, ``--limit`` and ``--home`` as given, for the next command to type."""
    names = {option: getattr(options, option) for option in ("methods", "tasks")}
    lists = [word for option, words in names.items() if words for word in (f"--{option}", *words)]
    limit = [] if options.limit is None else ["--limit", str(options.limit)]
    home = ["--home", str(options.home)] if options.home else []
    return [*lists, *limit, *home]
