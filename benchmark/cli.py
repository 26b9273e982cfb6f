"""The command line ``ecgarena``. Only the standard library is imported on the way to ``--help``."""

from __future__ import annotations

import argparse
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark import __version__
from benchmark.commands import (
    auditing,
    authoring,
    cluster,
    collecting,
    completion,
    data,
    differing,
    discarding,
    inspection,
    leaderboards,
    pretraining,
    probing,
    reports,
    running,
    similarity,
    site,
    submitting,
    tuning,
    verifying,
)
from benchmark.commands.options import add_verbose
from benchmark.disk import disk_error
from benchmark.engine.preemption import Preempted
from benchmark.errors import INCOMPLETE, INTERRUPTED, BenchmarkError
from benchmark.streams import guarded

GROUPS = (
    inspection,
    data,
    pretraining,
    running,
    tuning,
    discarding,
    cluster,
    probing,
    leaderboards,
    collecting,
    differing,
    similarity,
    verifying,
    submitting,
    reports,
    site,
    auditing,
    authoring,
    completion,
)
EPILOG = """environment:
  ECGARENA_DATA  folder with one folder per dataset, in its original layout
  ECGARENA_HOME  folder that a run writes to (default: ./runs)
  ECGARENA_WEIGHTS  folder with published weights that you fetched: METHOD/FILE
  NO_COLOR       set to anything: no colour, on a terminal either

exit codes: 0 complete, 1 internal error, 2 usage, 3 some cells failed, 4 incomplete,
  5 data or environment missing, 75 the cluster's scheduler does not answer (try again later),
  130 interrupted (everything finished is kept)
"""


@guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, dispatch, and turn errors into one message and an exit code."""
    top = parser()
    completion.answer_the_shell(top)
    options = top.parse_args(arguments)
    again = f"what is finished is kept; go on with: {command_line(arguments)}"
    try:
        check_neighbours()
        return int(options.function(options) or 0)
    except BenchmarkError as error:
        return show_error(error, options.verbose)
    except KeyboardInterrupt:
        print(f"ecgarena: interrupted; {again}", file=sys.stderr)
        return INTERRUPTED
    except Preempted as stopped:
        print(f"ecgarena: {stopped}; {again}", file=sys.stderr)
        return INCOMPLETE
    except OSError as error:
        failure = disk_error(error)
        if failure is None:
            raise
        return show_error(failure, options.verbose)


def show_error(error: BenchmarkError, verbose: bool) -> int:
    """Print an error; return its exit code."""
    if verbose:
        traceback.print_exception(error)
    print(f"ecgarena: {error}", file=sys.stderr)
    return error.exit_code


class Parser(argparse.ArgumentParser):
    """A parser that accepts whole option names alone (``--task`` is not ``--tasks``) and suggests the nearest one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # also what a subcommand goes through
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            hints = (f"{word}{self._nearest(word)}" for word in unknown)
            self.error(f"unrecognized arguments: {', '.join(hints)}")
        return options, unknown

    def _nearest(self, word: str) -> str:
        import difflib

        near = difflib.get_close_matches(word.partition("=")[0], self._option_string_actions, n=1)
        return f" (did you mean {near[0]!r}?)" if near and word.startswith("--") else ""


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="ecgarena",
        description="Compare multimodal ECG methods under one protocol.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"ecgarena {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in GROUPS:
        group.add(commands)
    for command in completion.parsers(top):
        if command.get_default("function") and not {"-v", "--verbose"} & set(command._option_string_actions):
            add_verbose(command)
    return top


def command_line(arguments: Sequence[str] | None) -> str:
    """Return the command as a user would type it."""
    return shlex.join(["ecgarena", *(sys.argv[1:] if arguments is None else arguments)])


def check_neighbours() -> None:
    """Raise `MissingError` where another project's package shadows one of ours, whose names are common words."""
    from importlib.util import find_spec

    from benchmark.errors import MissingError

    home = Path(__file__).resolve().parent.parent
    for name in ("methods", "tasks", "slurm"):
        spec = find_spec(name)
        folders = [Path(folder).resolve().parent for folder in (spec and spec.submodule_search_locations) or []]
        if home not in folders:
            where = f"comes from {folders[0]}" if folders else "is not importable"
            raise MissingError(
                f"the package {name!r} {where}, not from {home}: another project shadows it; "
                "use an environment of its own"
            )


if __name__ == "__main__":
    sys.exit(main())
