"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import configuration
from benchmark.errors import COMPLETE, INCOMPLETE, SOME_FAILED, UsageError
from benchmark.paths import Home

if TYPE_CHECKING:
    from benchmark.engine.events import BarReporter, LineReporter
    from benchmark.planning.plan import Plan


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
    print(json.dumps(value, indent=1, ensure_ascii=False))


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
    return make_plan(suite, options.methods, options.tasks, options.limit)


def exit_code_of(made: Plan, suite: str, retried: bool = False) -> int:
    """Say what is left to do, with the command for it; `suite` is the name or the path that was given."""
    if made.failed:
        again = "" if retried else "; 'run --retry-failed' runs them again"
        print(f"{len(made.failed)} cells failed ('ecgarena status {suite}' names them){again}")
        return SOME_FAILED
    if made.todo:
        print(f"{len(made.todo)} cells are missing; 'ecgarena run {suite}' runs them")
        return INCOMPLETE
    return COMPLETE
