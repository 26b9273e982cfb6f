"""``leaderboard`` and ``collect``: tables from records, and records to keep."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands.options import add_suite, exit_code_of, home_of, plan_of
from benchmark.errors import did_you_mean, raise_all

if TYPE_CHECKING:
    from benchmark.engine.plan import Plan


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("leaderboard", help="the tables of a suite")
    add_suite(sub)
    sub.add_argument("--format", default="md,csv", help="md, csv or both (default)")
    sub.add_argument("--out", type=Path, help="folder to write to (default: HOME/leaderboards)")
    sub.add_argument("--records", type=Path, help="read records from this folder instead of HOME/records")
    sub.set_defaults(function=leaderboard)
    sub = commands.add_parser("collect", help="copy the records of a suite, without predictions, to a folder")
    add_suite(sub)
    sub.add_argument("--out", type=Path, required=True)
    sub.set_defaults(function=collect)


def leaderboard(options: argparse.Namespace) -> int:
    """Write and print the tables."""
    from benchmark.engine.store import Store
    from benchmark.leaderboard.tables import FORMATS

    formats = tuple(part for part in options.format.split(",") if part)
    wrong = [f"{part!r} is no format{did_you_mean(part, FORMATS)}" for part in formats if part not in FORMATS]
    raise_all(wrong, "--format:")
    home = home_of(options)
    made = plan_of(options)
    store = Store(options.records or home.records)
    made.sort_by_state(store)
    write_leaderboard(made, store, options.out or home.leaderboards, formats, show=True)
    return exit_code_of(made)


def collect(options: argparse.Namespace) -> int:
    """Write the record of every finished cell, and the cards of weights made here; the folder is a store by itself."""
    from benchmark.atomic import write_text
    from benchmark.engine.pretraining import CARD, HISTORY, pretrained_folder
    from benchmark.engine.store import RECORD, Store, record_text

    made, source, target = plan_of(options), Store(home_of(options).records), Store(options.out)
    made.sort_by_state(source)
    for cell in made.done:
        record = source.get(cell.spec)
        if record is not None:
            write_text(target.folder(cell.spec) / RECORD, record_text(record))
        spec = cell.spec
        if spec.pretraining is not None:  # the card and the loss curve of the weights, not the weights
            recipe = (spec.method, spec.method_version, spec.method_config, spec.pretraining)
            made_in = pretrained_folder(*recipe, home_of(options))
            for name in (CARD, HISTORY):
                if (made_in / name).is_file():
                    write_text(options.out / "pretrained" / made_in.name / name, (made_in / name).read_text("utf-8"))
    print(f"{len(made.done)} of {len(made.cells)} records in {options.out}")
    return exit_code_of(made)


def write_leaderboard(made: Plan, store: Any, out: Path, formats: tuple[str, ...], show: bool) -> None:
    from benchmark.atomic import write_text
    from benchmark.leaderboard.tables import Leaderboard

    board = Leaderboard(made, store)
    if show:
        board.show()
    name = made.suite.name + ("-partial" if board.partial else "")
    for kind, text in (("md", board.markdown), ("csv", board.csv)):
        if kind in formats:
            write_text(out / f"{name}.{kind}", text())
            print(f"written: {out / f'{name}.{kind}'}")
