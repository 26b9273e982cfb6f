"""``submission check``: a list of everything that keeps a submission from being accepted."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.commands.catalogue import add_command, add_described
from benchmark.commands.options import add_home, add_json, home_of, print_json
from benchmark.errors import COMPLETE, INCOMPLETE


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "submission")
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = add_described(actions, "check", "list everything that keeps a submission from being accepted")
    action.add_argument("place", type=Path, help="folder of the submission, or its Parquet file of records")
    add_home(action)
    add_json(action)
    action.set_defaults(function=check)


def check(options: argparse.Namespace) -> int:
    """Print facts and problems; exit code 4 while there are problems."""
    from benchmark.verification.submission import check_submission

    result = check_submission(options.place, home_of(options))
    if options.json:
        rows = [row.model_dump() for row in result.rows]
        print_json({"problems": result.problems, "facts": result.facts, "rows": rows})
    else:
        lines = [*result.facts, *(f"PROBLEM: {problem}" for problem in result.problems)]
        print("\n".join([*lines, f"{len(result.problems)} problems" if result.problems else "ready to submit"]))
    return INCOMPLETE if result.problems else COMPLETE
