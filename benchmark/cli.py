"""The command line ``ecgbench``. Only the standard library is imported on the way to ``--help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark import __version__
from benchmark.errors import BenchmarkError

EPILOG = """environment:
  ECGBENCH_DATA  folder with one folder per dataset, in its original layout
  ECGBENCH_HOME  folder that a run writes to (default: ./runs)

exit codes: 0 complete, 1 internal error, 2 usage, 3 some cells failed, 4 incomplete,
  5 data or environment missing, 130 interrupted (everything finished is kept)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, dispatch, and turn errors into one message and an exit code."""
    options = parser().parse_args(arguments)
    try:
        check_neighbours()
        from benchmark import commands

        return int(getattr(commands, options.function)(options) or 0)
    except BenchmarkError as error:
        print(f"ecgbench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("ecgbench: interrupted; what is finished is kept, the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `ecgbench list | head`
        sys.stderr.close()
        return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="ecgbench",
        description="Compare multimodal ECG methods under one protocol.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"ecgbench {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_inspection(commands)
    _add_data(commands)
    _add_work(commands)
    _add_results(commands)
    return top


def check_neighbours() -> None:
    """The four packages have plain names; make sure that no other project's `benchmark` or `tasks` shadows ours."""
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


def _add_inspection(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("list", help="names of methods, tasks, datasets and suites")
    sub.add_argument("kind", nargs="?", choices=("methods", "tasks", "datasets", "suites"))
    sub.add_argument("--json", action="store_true")
    sub.set_defaults(function="list_names")
    sub = commands.add_parser("show", help="what a method, task, dataset or suite is, and its options")
    sub.add_argument("name")
    sub.set_defaults(function="show")


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="prepare datasets")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    prepare = actions.add_parser("prepare", help="read the original files once into a memory-mapped store")
    prepare.add_argument("dataset")
    prepare.add_argument("--root", type=Path, help="folder with the original files (default: $ECGBENCH_DATA/DATASET)")
    _add_set(prepare, "an option of the dataset, such as rate=500")
    _add_home(prepare)
    prepare.set_defaults(function="prepare_data")


def _add_work(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("pretrain", help="pre-train a method on a dataset's reports")
    sub.add_argument("method")
    sub.add_argument("--data", required=True, metavar="DATASET")
    sub.add_argument("--root", type=Path, help="folder with the dataset's original files")
    sub.add_argument("--data-set", action="append", default=[], metavar="KEY=VALUE", help="an option of the dataset")
    _add_set(sub, "an option of the method (width=32) or of the training (training.epochs=10)")
    _add_device(sub)
    _add_home(sub)
    sub.set_defaults(function="pretrain")
    sub = commands.add_parser("plan", help="the cells of a suite: done, failed, to do, skipped and why")
    _add_suite(sub)
    sub.add_argument("--json", action="store_true")
    sub.set_defaults(function="plan")
    sub = commands.add_parser("run", help="run what a suite still lacks")
    _add_suite(sub)
    sub.add_argument("--executor", default="inline", help="inline (default) or processes")
    sub.add_argument("--workers", type=int, help="processes at a time (default: one per core)")
    sub.add_argument("--retry-failed", action="store_true", help="run cells again that failed in an earlier run")
    sub.add_argument("--root", type=Path, help="folder that holds one folder per dataset (default: $ECGBENCH_DATA)")
    sub.add_argument("-q", "--quiet", action="store_true", help="plain lines instead of progress bars")
    _add_device(sub)
    sub.set_defaults(function="run")


def _add_results(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("status", help="counts by method and task, from what lies on disk")
    _add_suite(sub)
    sub.add_argument("--json", action="store_true")
    sub.set_defaults(function="status")
    sub = commands.add_parser("leaderboard", help="the tables of a suite")
    _add_suite(sub)
    sub.add_argument("--format", default="md,csv", help="md, csv or both (default)")
    sub.add_argument("--out", type=Path, help="folder to write to (default: HOME/leaderboards)")
    sub.add_argument("--records", type=Path, help="read records from this folder instead of HOME/records")
    sub.set_defaults(function="leaderboard")
    sub = commands.add_parser("collect", help="copy the records of a suite, without predictions, to a folder")
    _add_suite(sub)
    sub.add_argument("--out", type=Path, required=True)
    sub.set_defaults(function="collect")


def _add_suite(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("suite", help="name of a suite, or path of a .toml file")
    sub.add_argument("--methods", nargs="+", default=[], metavar="ROW", help="only these rows")
    sub.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="only these tasks")
    sub.add_argument("--limit", type=int, metavar="N", help="N recordings per split; stamps the results as partial")
    _add_set(sub, "change the suite, as in methods.merl.config.width=64")
    _add_home(sub)


def _add_set(sub: argparse.ArgumentParser, help: str) -> None:
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments", help=help)


def _add_home(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--home", type=Path, help="folder to write to (default: $ECGBENCH_HOME or ./runs)")


def _add_device(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


if __name__ == "__main__":
    sys.exit(main())
