"""``logs``, ``retry``, ``cancel`` and ``doctor``: commands for cluster jobs, carried out by the package `slurm`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmark.commands.catalogue import add_command
from benchmark.commands.options import add_home, add_json
from benchmark.lazy_imports import CLUSTER_COMMANDS, load
from benchmark.paths import Home


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "logs")
    sub.add_argument("cell", help="key of a cell, the beginning of its key, or words of its title")
    sub.add_argument("--follow", action="store_true", help="go on until the job ends")
    sub.add_argument("--every", type=float, default=2.0, help=argparse.SUPPRESS)
    add_home(sub)
    sub.set_defaults(function=answered_by("logs"))

    sub = add_command(commands, "retry")
    sub.add_argument("suite", nargs="?", help="only what was submitted for this suite")
    sub.add_argument("--failed", action="store_true", help="only cells whose record holds an error")
    sub.add_argument("--oom", action="store_true", help="only what ran out of memory")
    sub.add_argument("--timeout", action="store_true", help="only what ran out of time")
    sub.add_argument("--mem", metavar="xN", help="multiply the memory, as in --mem x2")
    sub.add_argument("--time", metavar="xN", help="multiply the time limit, as in --time x2")
    add_profile(sub, "profile to use instead of the one of the first submission")
    sub.add_argument("--dry-run", action="store_true", help="print the sbatch scripts instead")
    sub.add_argument("--wait", action="store_true", help="stay until the jobs have ended")
    add_home(sub)
    sub.set_defaults(function=answered_by("retry"))

    sub = add_command(commands, "cancel")
    sub.add_argument("suite", nargs="?", help="only what was submitted for this suite")
    add_home(sub)
    sub.set_defaults(function=answered_by("cancel"))

    sub = add_command(commands, "doctor")
    add_profile(sub, "profile to check (default: default)")
    sub.add_argument(
        "--patience", type=float, default=600.0, metavar="SECONDS", help="longest wait for a job (default: 600)"
    )
    add_home(sub)
    add_json(sub)
    sub.set_defaults(function=answered_by("doctor"))


def add_profile(sub: argparse.ArgumentParser, help: str) -> None:
    sub.add_argument("--profile", metavar="NAME", help=help)
    sub.add_argument(
        "--resource",
        action="append",
        default=[],
        metavar="[STAGE.]KEY=VALUE",
        help="change the profile, as in time=8:00:00 or pretrain.gpus=2",
    )


def answered_by(name: str) -> Callable[[argparse.Namespace], int]:
    """Return the function `name` of the cluster package, which is imported only when the function is called."""

    def call(options: argparse.Namespace) -> int:
        exit_code: int = getattr(load(CLUSTER_COMMANDS), name)(options)
        return exit_code

    return call


def submitted_cells(home: Home) -> dict[str, str]:
    """Return the state, "queued" or "running", of cells on a cluster, by key; import nothing if none were submitted."""
    if not home.slurm.is_dir():
        return {}
    states: dict[str, str] = load(CLUSTER_COMMANDS).open_cells(home)
    return states
