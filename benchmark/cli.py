"""The command line ``ecgarena``. On the way to ``--help`` no command's own module is imported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from benchmark import __version__
from benchmark.commands.catalogue import COMPLETION_VARIABLE, add_commands, parsers
from benchmark.errors import INCOMPLETE, INTERRUPTED, BenchmarkError
from benchmark.streams import guarded

EPILOG = """environment:
  ECGARENA_DATA     folder with one folder per dataset, in its original layout
  ECGARENA_HOME     folder that a run writes to (default: ./runs)
  ECGARENA_WEIGHTS  folder with published weights that you fetched: METHOD/FILE
  NO_COLOR          set to anything: no colour, not even on a terminal

exit codes: 0 complete, 1 internal error, 2 usage, 3 some cells failed, 4 incomplete,
  5 data or environment missing, 75 the cluster's scheduler does not answer (try again later),
  130 interrupted (everything finished is kept)
"""


@guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, dispatch, and turn errors into one message and an exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if COMPLETION_VARIABLE in os.environ:
        from benchmark.commands.completion import answer_the_shell

        answer_the_shell(parser())
    return answer(parser(command_of(words)).parse_args(words), words)


def answer(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Run a command; print its error, if it ends with one, and return the exit code."""
    from benchmark.disk import disk_error
    from benchmark.engine.preemption import Preempted

    again = f"what is finished is kept; go on with: {command_line(words)}"
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


def command_of(arguments: Sequence[str]) -> str:
    """Return the command among the arguments, "" where there is none: options before it take no value."""
    return next((word for word in arguments if not word.startswith("-")), "")


def show_error(error: BenchmarkError, verbose: bool) -> int:
    """Print an error; return its exit code."""
    if verbose:
        import traceback

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


def parser(word: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands; with `word`, only that command has its options and its module is loaded."""
    top: argparse.ArgumentParser = Parser(
        prog="ecgarena",
        description="Compare multimodal ECG methods under one protocol.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"ecgarena {__version__}")
    add_commands(top.add_subparsers(dest="command", required=True, metavar="COMMAND"), word)
    for command in parsers(top):
        if command.get_default("function") and not {"-v", "--verbose"} & set(command._option_string_actions):
            from benchmark.commands.options import add_verbose

            add_verbose(command)
    return top


def command_line(words: Sequence[str]) -> str:
    """Return the command as a user would type it."""
    import shlex

    return shlex.join(["ecgarena", *words])


def check_neighbours() -> None:
    """Raise `MissingError` where another project's package shadows one of ours, whose names are common words."""
    from importlib.util import find_spec
    from pathlib import Path

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
