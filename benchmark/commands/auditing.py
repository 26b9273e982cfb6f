"""``audit-report-metrics``: true reports with faults in them, and which metric notices which fault."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark import configuration
from benchmark.commands.catalogue import add_command
from benchmark.commands.options import DATASET_HELP, add_home, add_json, add_set, home_of, print_json
from benchmark.errors import COMPLETE, raise_all

SPLITS = ("train", "val", "test")
FORMATS = ("svg", "pdf", "png")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "audit-report-metrics")
    sub.add_argument("dataset", help=DATASET_HELP)
    sub.add_argument(
        "--reports", type=int, default=500, metavar="N", help="reports for each fault and language (default: 500)"
    )
    sub.add_argument(
        "--splits",
        nargs="+",
        default=list(SPLITS),
        metavar="SPLIT",
        help="splits to draw reports from (default: all three)",
    )
    sub.add_argument("--seed", type=int, default=0, help="seed of the draw and of the faults (default: 0)")
    sub.add_argument("--without-embedding", action="store_true", help="leave out the embedding score, which is slow")
    sub.add_argument("--format", choices=FORMATS, default="svg", help="format of the figure (default: svg)")
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="folder to write to (default: HOME/leaderboards)")
    add_set(sub, "an option of the dataset, such as rate=500")
    add_home(sub)
    add_json(sub)
    sub.set_defaults(function=audit_report_metrics)


def audit_report_metrics(options: argparse.Namespace) -> int:
    """Make the faults, score them, write table, CSV and figure, and print the table."""
    raise_all(_problems(options), "audit-report-metrics:")
    from benchmark.atomic import write_bytes, write_text
    from benchmark.data.store.preparation import open_dataset
    from benchmark.leaderboard.figures.style import save
    from benchmark.reporting.audit import figure, tables
    from benchmark.reporting.audit.making import make_table

    home = home_of(options)
    data = open_dataset(options.dataset, configuration.parse_assignments(options.assignments), home)
    table = make_table(data, options.splits, options.reports, options.seed, not options.without_embedding)
    folder = options.out or home.leaderboards
    base = f"{options.dataset}_report_metrics"
    write_text(folder / f"{base}.md", tables.markdown(table))
    write_text(folder / f"{base}.csv", tables.spreadsheet(table))
    write_bytes(folder / f"{base}.{options.format}", save(figure.draw(table), options.format))
    if options.json:
        print_json(tables.as_json(table))
        return COMPLETE
    print(tables.markdown(table))
    for ending in ("md", "csv", options.format):
        print(f"written: {folder / base}.{ending}")
    return COMPLETE


def _problems(options: argparse.Namespace) -> list[str]:
    unknown = sorted(set(options.splits) - set(SPLITS))
    problems = [f"--splits: {', '.join(unknown)} is none of {', '.join(SPLITS)}"] if unknown else []
    problems += [f"--reports is {options.reports}, it must be at least 1"] if options.reports < 1 else []
    problems += [f"--seed is {options.seed}, it must be at least 0"] if options.seed < 0 else []
    return problems
