"""Options on how tables look, and the presentation that a command uses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.leaderboard.presentation import Presentation
    from benchmark.leaderboard.published import Published
    from benchmark.planning.plan import Plan


def add_presentation(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--metric", default="", metavar="NAME", help="metric to show instead of the primary one, as in auprc_macro"
    )
    sub.add_argument(
        "--presentation",
        type=Path,
        metavar="FILE",
        help="names, order, decimals and wide tables (default: presentation.toml beside the suite)",
    )
    sub.add_argument(
        "--present",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of the presentation, as in percent=true",
    )
    sub.add_argument(
        "--published", type=Path, metavar="FILE", help="CSV of published numbers, shown as grey rows and never ranked"
    )


def presentation_of(options: argparse.Namespace, plan: Plan) -> Presentation:
    """Return the presentation of a suite: the file, `--present` on top of it, then `--metric` and `--methods`."""
    from benchmark.configuration import parse_assignments
    from benchmark.leaderboard.presentation import read_presentation

    path = _file(options)
    changes = parse_assignments(getattr(options, "present", []), "--present")
    look = read_presentation(path, changes)
    if look.suites and plan.suite.name not in look.suites:
        if getattr(options, "presentation", None) is not None:
            raise UsageError(f"{path} is for {', '.join(look.suites)}, not for {plan.suite.name}: change its suites")
        path, look = None, read_presentation(None, changes)
    if path is not None:
        print(f"presentation: {path}")
    orders = {"rows": options.methods} if options.methods else {}
    metric = {"metric": options.metric} if getattr(options, "metric", "") else {}
    return look.model_copy(update={**orders, **metric})


def published_of(options: argparse.Namespace) -> list[Published]:
    """Return the numbers of `--published`; none without it."""
    from benchmark.leaderboard.published import load_own

    path = getattr(options, "published", None)
    return [] if path is None else load_own(path)


def _file(options: argparse.Namespace) -> Path | None:
    """Return the file that was asked for, else the one beside the records or the user's suite, if there is one."""
    from benchmark.leaderboard.presentation import FILE

    if getattr(options, "presentation", None) is not None:
        return Path(options.presentation)
    folders = [options.records] if getattr(options, "records", None) is not None else []
    folders += [Path(options.suite).parent] if options.suite.endswith(".toml") else []
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
