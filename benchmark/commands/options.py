"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import configuration
from benchmark.errors import COMPLETE, INCOMPLETE, SOME_FAILED, UsageError, raise_all
from benchmark.paths import Home

if TYPE_CHECKING:
    from benchmark.engine.events import BarReporter, LineReporter
    from benchmark.planning.plan import Plan
    from benchmark.planning.standing import AtHand, Standings
    from benchmark.records.store import Store


def add_suite(sub: argparse.ArgumentParser, nargs: str | None = None) -> None:
    sub.add_argument("suite", nargs=nargs, help="name of a suite, or path of a .toml file")
    sub.add_argument("--methods", nargs="+", default=[], metavar="ROW", help="only these rows")
    sub.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="only these tasks")
    sub.add_argument("--limit", type=int, metavar="N", help="N recordings per split; stamps the results as partial")
    add_set(sub, "change the suite, as in methods.merl.config.width=64")
    add_home(sub)


def add_set(sub: argparse.ArgumentParser, help: str) -> None:
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments", help=help)


def add_home(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--home", type=Path, help="folder to write to (default: $ECGARENA_HOME or ./runs)")


def add_device(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def add_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="the answer as JSON on stdout, for scripts")


def print_json(value: Any) -> None:
    """Print JSON; letters that stdout's encoding lacks are written as escapes, so that a reader gets them whole."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=1)
    print(text)


def add_quiet(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("-q", "--quiet", action="store_true", help="no progress: only notes, failures and the result")


def add_verbose(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("-v", "--verbose", action="store_true", help="every step of the work; errors with their traceback")


def reporter_of(options: argparse.Namespace) -> LineReporter | BarReporter:
    """Bars on a terminal, plain lines elsewhere; how many of them, ``-q`` and ``-v`` say."""
    from benchmark.engine.events import reporter

    return reporter(options.quiet, options.verbose)


def home_of(options: argparse.Namespace) -> Home:
    return Home(options.home.absolute()) if options.home else Home.default()


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
    """Return the plan and the records that a command reads, and what these are held against.

    With ``--records`` they are taken for what they were, and a plan beside them serves without weights or plug-ins.
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
        return replace(plan_beside, given=given_of(options)), Store(options.records), RECORDS_ALONE
    return plan_of(options), Store(options.records), RECORDS_ALONE


def _check_plan(plan: Plan, options: argparse.Namespace) -> None:
    """Refuse to take the plan beside records for another one than the user names."""
    from benchmark.planning.suite_files import suite_name

    name = suite_name(options.suite)
    problems = [] if name == plan.suite.name else [f"they were collected for the suite {plan.suite.name}, not {name}"]
    problems += ["--set changes a suite, and their plan is fixed"] if options.assignments else []
    limits = {cell.spec.limit for cell in plan.cells}
    problems += ["--limit: they were made without"] if options.limit is not None and limits != {options.limit} else []
    raise_all(problems, f"the records in {options.records} come with their plan:")


def given_of(options: argparse.Namespace) -> tuple[str, ...]:
    """The suite as the user gave it: its name or its path, and what ``--set`` changes."""
    return (options.suite, *(part for pair in options.assignments for part in ("--set", pair)))


def exit_code_of(standings: Standings, plan: Plan, options: argparse.Namespace, retried: bool = False) -> int:
    """Say what is left to do, with the command for it, as the user gave suite, rows, tasks and home."""
    scope = scope_of(options)
    if standings.failed:
        print(f"{len(standings.failed)} cells failed; which ones: {plan.command('status', *scope)}")
        if not retried:
            print(f"run them again with: {plan.command('run', *scope, '--retry-failed')}")
        return SOME_FAILED
    if standings.to_run:
        print(f"{len(standings.to_run)} cells are missing; run them with: {plan.command('run', *scope)}")
        return INCOMPLETE
    return COMPLETE


def scope_of(options: argparse.Namespace) -> list[str]:
    """``--methods``, ``--tasks``, ``--limit`` and ``--home`` as they were given, for a command to type next."""
    names = {option: getattr(options, option) for option in ("methods", "tasks")}
    lists = [word for option, words in names.items() if words for word in (f"--{option}", *words)]
    limit = [] if options.limit is None else ["--limit", str(options.limit)]
    home = ["--home", str(options.home)] if options.home else []
    return [*lists, *limit, *home]
