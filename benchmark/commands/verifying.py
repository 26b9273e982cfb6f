"""``verify``: every number of a suite's records, computed again from the predictions."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands.catalogue import add_command
from benchmark.commands.options import RECORDS_HELP, add_json, add_suite, home_of, print_json, records_of
from benchmark.errors import COMPLETE, INCOMPLETE, UsageError

if TYPE_CHECKING:
    from benchmark.verification.recomputation import CellCheck
    from benchmark.verification.suite_check import SuiteCheck

MOST = 8  # cells of a kind, and numbers of a cell, that a terminal shows; --json has all


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "verify")
    add_suite(sub)
    sub.add_argument("--records", type=Path, help=RECORDS_HELP)
    sub.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="file that `collect --predictions` wrote (default: those beside the records)",
    )
    sub.add_argument(
        "--tolerance", type=float, metavar="X", help="largest difference that still counts as equal (default: 2e-5)"
    )
    add_json(sub)
    sub.set_defaults(function=verify)


def verify(options: argparse.Namespace) -> int:
    """Print which cells agree, which differ and which cannot be verified; exit code 4 unless all checked ones agree."""
    from benchmark.records.files import is_archive
    from benchmark.verification.recomputation import TOLERANCE
    from benchmark.verification.suite_check import check_suite

    if options.tolerance is not None and not options.tolerance >= 0:
        raise UsageError(f"--tolerance is {options.tolerance}, it must be 0 or more")
    if options.predictions is None and options.records is not None and is_archive(options.records):
        raise UsageError(f"{options.records} holds records alone: name the file of their predictions by --predictions")
    plan, store, _ = records_of(options)
    tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    result = check_suite(plan, store, home_of(options), options.predictions, tolerance)
    if options.json:
        print_json(to_json(result))
    else:
        print("\n".join(lines(result)))
    return COMPLETE if result.agrees else INCOMPLETE


def to_json(result: SuiteCheck) -> dict[str, Any]:
    """Return every cell with its state and its numbers that differ; the deviations of all others as their largest."""
    return {"tolerance": result.tolerance, "cells": [_cell_json(check, result.tolerance) for check in result.checks]}


def _cell_json(check: CellCheck, tolerance: float) -> dict[str, Any]:
    different = check.different(tolerance)
    deviations = check.deviations()
    return {
        "cell": check.title,
        "key": check.key,
        "state": check.state(tolerance),
        "problem": check.problem,
        "numbers": len(check.pairs),
        "largest_deviation": max((size for size in deviations.values() if size < float("inf")), default=None),
        "different": {name: dict(zip(("record", "predictions"), check.pairs[name], strict=True)) for name in different},
        "unchecked": check.unchecked,
        "labels": "of the prepared dataset" if check.own_labels else "of the file" if check.pairs else None,
    }


def lines(result: SuiteCheck) -> list[str]:
    """Return the answer for a terminal: what agrees, then every difference, then what was not verified and why."""
    agreeing, different, unverified = (result.of(state) for state in ("agrees", "differs", "not verified"))
    numbers = sum(len(check.pairs) for check in agreeing)
    text = [f"{len(agreeing)} cells agree within {result.tolerance:g}, {numbers:,} numbers" + _worst(agreeing)]
    text += _labels([*agreeing, *different])
    for check in different[:MOST]:
        text += [f"DIFFERS: {check.title} ({check.key})", *_differences(check, result.tolerance)]
    text += [f"... and {len(different) - MOST} more cells that differ"] if len(different) > MOST else []
    reasons = Counter(check.problem for check in unverified)
    text += [f"NOT VERIFIED: {count} cells: {reason}" for reason, count in reasons.most_common()]
    return text + _unchecked(agreeing)


def _worst(checks: list[CellCheck]) -> str:
    sizes = [(size, name, check.title) for check in checks for name, size in check.deviations().items()]
    if not sizes:
        return ""
    size, name, title = max(sizes)
    return f"; the largest deviation is {size:.1e} ({name} of {title})"


def _labels(checks: list[CellCheck]) -> list[str]:
    """Say whose labels the predictions were held against."""
    foreign = sum(bool(check.pairs) and not check.own_labels for check in checks)
    if not foreign:
        return []
    return [f"labels of {foreign} cells are those of the predictions' file: their dataset is not prepared here"]


def _differences(check: CellCheck, tolerance: float) -> list[str]:
    if check.problem:
        return [f"  {check.problem}"]
    names = check.different(tolerance)
    text = [
        f"  {name}: {_text(check.pairs[name][0])} in the record, {_text(check.pairs[name][1])} from the predictions"
        for name in names[:MOST]
    ]
    return text + ([f"  ... and {len(names) - MOST} more of {len(check.pairs)} numbers"] if len(names) > MOST else [])


def _text(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6f}"


def _unchecked(checks: list[CellCheck]) -> list[str]:
    """Group numbers that were not computed by their reason, with the names of the metrics."""
    groups: dict[str, set[str]] = {}
    cells: Counter[str] = Counter()
    for check in checks:
        for reason in set(check.unchecked.values()):
            cells[reason] += 1
        for name, reason in check.unchecked.items():
            groups.setdefault(reason, set()).add(name.rpartition(": ")[2].split()[0])
    return [f"not computed in {cells[why]} cells: {', '.join(sorted(names))}: {why}" for why, names in groups.items()]
