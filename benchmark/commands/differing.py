"""``diff``: which numbers moved between two sets of records, by how much, and why."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.catalogue import add_command
from benchmark.commands.options import add_json, print_json
from benchmark.errors import COMPLETE, UsageError

if TYPE_CHECKING:
    from benchmark.records.differences import Differences, Move

MOST = 8  # moves of a group that a terminal shows; --json has all


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "diff")
    sub.add_argument("a", type=Path, metavar="A", help="Parquet file or folder of records")
    sub.add_argument("b", type=Path, metavar="B", help="the same of another version or machine")
    sub.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        metavar="X",
        help="largest difference that still counts as equal (default: 0)",
    )
    add_json(sub)
    sub.set_defaults(function=diff)


def diff(options: argparse.Namespace) -> int:
    """Print what moved, the largest move first, then what is in one of the sets alone."""
    from benchmark.records.differences import differences
    from benchmark.records.store import Store

    absent = [str(path) for path in (options.a, options.b) if not path.exists()]
    if absent:
        raise UsageError(f"there are no records at {' and '.join(absent)}")
    result = differences(Store(options.a), Store(options.b), options.tolerance)
    if options.json:
        print_json(result.to_json())
    else:
        print("\n".join(_lines(result)))
    return COMPLETE


def _lines(result: Differences) -> list[str]:
    lines = [f"{result.same} cells have the same numbers, {len(result.moves)} moved"]
    lines += [line for reasons, moves in _by_reasons(result.moves).items() for line in _group(reasons, moves)]
    for name, titles in (("A", result.only_a), ("B", result.only_b)):
        if titles:
            lines += [f"only in {name}: {len(titles)} cells", *(f"  {title}" for title in titles[:MOST])]
            lines += [f"  ... and {len(titles) - MOST} more"] if len(titles) > MOST else []
    return [*lines, *(f"UNUSABLE: {line}" for line in result.unusable)]


def _by_reasons(moves: list[Move]) -> dict[tuple[tuple[str, str], ...], list[Move]]:
    """Group moves that have the same reasons, the group with the largest move first."""
    groups: dict[tuple[tuple[str, str], ...], list[Move]] = {}
    for move in moves:
        groups.setdefault(tuple(move.reasons.items()), []).append(move)
    return groups


def _group(reasons: tuple[tuple[str, str], ...], moves: list[Move]) -> list[str]:
    why = "; ".join(f"{name} {change}" for name, change in reasons) or "nothing that the records tell"
    lines = [f"{len(moves)} cells; beside their numbers differs: {why}"]
    for move in moves[:MOST]:
        a, b = move.numbers.get(move.primary, (None, None))
        others = [name for name in move.numbers if name != move.primary]
        also = f", and {len(others)} other numbers of it" if others else ""
        if move.primary in move.numbers:
            lines.append(f"  {move.title}: {move.primary} {_text(a)} -> {_text(b)} ({move.size:+.4f}){also}")
        else:
            lines.append(f"  {move.title}: {move.primary} is the same, {len(others)} other numbers are not")
    return lines + ([f"  ... and {len(moves) - MOST} more"] if len(moves) > MOST else [])


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
