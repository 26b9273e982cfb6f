"""``reports``: one page of recordings with their reference and generated reports."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.commands.catalogue import add_command
from benchmark.commands.options import RECORDS_HELP, add_suite, home_of, records_of
from benchmark.errors import COMPLETE, UsageError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "reports")
    add_suite(sub)
    sub.add_argument("--show", type=int, default=20, metavar="N", help="recordings per dataset (default: 20)")
    sub.add_argument(
        "--order",
        choices=("random", "worst", "best"),
        default="random",
        help="which recordings, by their scores (default: random)",
    )
    sub.add_argument("--seed", type=int, default=0, help="seed of the random draw (default: 0)")
    sub.add_argument("--records", type=Path, help=RECORDS_HELP)
    sub.add_argument(
        "--out", type=Path, metavar="FILE", help="page to write (default: HOME/leaderboards/SUITE-reports.html)"
    )
    sub.set_defaults(function=reports)


def reports(options: argparse.Namespace) -> int:
    """Write the page and print its path."""
    from benchmark.atomic import write_text
    from benchmark.leaderboard.generated_reports import collect_written
    from benchmark.leaderboard.generated_reports_page import written_page
    from benchmark.leaderboard.tables import base_name

    if options.show < 1:
        raise UsageError(f"--show is {options.show}, it must be at least 1")
    home = home_of(options)
    plan, store, now = records_of(options)
    sections = collect_written(plan, store, now, home, options.show, options.order, options.seed)
    how = {"random": f"Recordings drawn at random with seed {options.seed}, not chosen."}
    choice = how.get(options.order, f"Recordings with the {options.order} scores, mean over all rows: no fair sample.")
    path = options.out or home.leaderboards / f"{base_name(plan)}-reports.html"
    write_text(path, written_page(plan, sections, choice))
    print(f"written: {path}: {sum(len(section.recordings_shown) for section in sections)} recordings")
    return COMPLETE
