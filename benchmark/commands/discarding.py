"""``discard``: take rows of a suite out of the tables and, on request, set aside the weights trained for them."""

from __future__ import annotations

import argparse

from benchmark.commands.catalogue import add_command
from benchmark.commands.options import add_suite, home_of, plan_of
from benchmark.errors import COMPLETE, UsageError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "discard")
    add_suite(sub)
    sub.add_argument("--weights", action="store_true", help="also the weights that were pre-trained for them")
    sub.set_defaults(function=discard)


def discard(options: argparse.Namespace) -> int:
    """Set aside the records of the named rows; nothing is removed from the disk."""
    from benchmark.planning.anew import set_aside_rows

    if not options.methods:
        raise UsageError("name the rows to discard: --methods ROW [ROW ...]")
    lines = set_aside_rows(plan_of(options), home_of(options), options.methods, options.weights)
    print("\n".join(lines) or "there is nothing to discard")
    return COMPLETE
