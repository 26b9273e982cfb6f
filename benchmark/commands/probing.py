"""``search`` and ``explain``: how a cell's probe was chosen, and what a published protocol would report."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import configuration
from benchmark.commands.catalogue import add_command
from benchmark.commands.options import (
    CELL_HELP,
    RECORDS_HELP,
    add_device,
    add_home,
    add_json,
    add_quiet,
    add_set,
    device_of,
    home_of,
    print_json,
    reporter_of,
)
from benchmark.errors import COMPLETE, SOME_FAILED, UsageError
from benchmark.names import file_name

if TYPE_CHECKING:
    from benchmark.records.record import RunRecord


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "search")
    add_cell(sub)
    sub.add_argument("--records", type=Path, help=RECORDS_HELP)
    sub.add_argument("--out", type=Path, help="folder for search-KEY.json and search-KEY.svg")
    add_home(sub)
    add_json(sub)
    sub.set_defaults(function=search)
    sub = add_command(commands, "explain")
    add_cell(sub)
    sub.add_argument("--weights", type=Path, help="checkpoint that the method was loaded from, if it was")
    sub.add_argument("--out", type=Path, help="folder for explain-KEY.json")
    add_quiet(sub)
    add_json(sub)
    add_set(sub, "a field of the published probe on every step, such as epochs=20")
    add_home(sub)
    add_device(sub)
    sub.set_defaults(function=explain)


def add_cell(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("cell", nargs="+", metavar="CELL", help=CELL_HELP)


def search(options: argparse.Namespace) -> int:
    """Print the trials of a cell's search, the best first."""
    from benchmark.records.finding import find_record
    from benchmark.records.store import Store

    record = find_record(Store(options.records or home_of(options).records), options.cell)
    trials = record.details.get("trials")
    if not trials:
        raise UsageError(f"the cell {record.key} ({record.spec['task']}) has no search in its record")
    fields = [name for name in trials[0] if name not in ("curve", "iterations", "unconverged_classes")]
    details = {name: record.details.get(name) for name in ("choice", "search", "trials")}
    report = _write_search(record, details, options.out) if options.out else ""
    if options.json:
        print_json(details)
    else:
        print("  ".join(f"{name:>16s}" for name in fields))
        for trial in sorted(trials, key=lambda row: -row["val_macro_auroc"]):
            print("  ".join(f"{_format_value(trial[name]):>16s}" for name in fields))
    if report:
        print(report, file=sys.stderr if options.json else sys.stdout)
    return COMPLETE


def _write_search(record: RunRecord, details: dict[str, Any], out: Path) -> str:
    """Write the trials as JSON and as a figure; return the line that names the files."""
    from benchmark.atomic import write_text
    from benchmark.probes.figures import draw_search

    base = out / f"search-{file_name(record.key)}"
    write_text(base.with_suffix(".json"), json.dumps(details, indent=1) + "\n")
    draw_search(details["trials"], record.details["choice"], base.with_suffix(".svg"))
    return f"written: {base}.json, {base}.svg"


def explain(options: argparse.Namespace) -> int:
    """Run the steps from a cell to the published protocol and print them."""
    with reporter_of(options) as on_event:
        changes = configuration.parse_assignments(options.assignments)
        rows = explain_cell(options, options.cell, options.weights, changes, on_event)
    return SOME_FAILED if any(row["status"] == "failed" for row in rows) else COMPLETE


def explain_cell(
    options: argparse.Namespace, words: list[str], weights: Path | None, changes: dict[str, Any], on_event: Any
) -> list[dict[str, Any]]:
    """Run, print and, with ``--out``, write the steps from a cell to the published protocol."""
    from benchmark.atomic import write_text
    from benchmark.engine.explaining import explain
    from benchmark.records.finding import find_record
    from benchmark.records.store import Store

    home = home_of(options)
    record = find_record(Store(home.records), words)
    rows = explain(record, changes, weights, home, device_of(options), on_event)
    explanation = {"cell": record.spec, "rungs": rows}
    path = options.out / f"explain-{file_name(record.key)}.json" if options.out else None
    if path is not None:
        write_text(path, json.dumps(explanation, indent=1) + "\n")
    as_json = getattr(options, "json", False)  # `run --explain` has no --json
    if as_json:
        print_json(explanation)
    else:
        _print_ladder(record, rows)
    if path is not None:
        print(f"written: {path}", file=sys.stderr if as_json else sys.stdout)
    return rows


def _print_ladder(record: RunRecord, rows: list[dict[str, Any]]) -> None:
    spec = record.spec
    print(f"{spec['method']} on {spec['dataset']}/{spec['label_set']}, {record.question}")
    print(f"{'AUROC':>7s} {'change':>8s}  what changes, step by step")
    for row in rows:
        value = "–" if row.get("value") is None else f"{row['value']:.4f}"
        change = "" if "difference" not in row else f"{row['difference']:+.4f}"
        print(f"{value:>7s} {change:>8s}  {row['change']}" + (f" ({row['reason']})" if "reason" in row else ""))
    print("Steps after the first follow the protocol merl-published; none of these numbers belongs in a comparison.")


def _format_value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
