"""``collect`` and ``records``: the records of a suite in one file or folder to keep, and a look at one of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.catalogue import add_command, add_described
from benchmark.commands.options import (
    CELL_HELP,
    RECORDS_HELP,
    add_home,
    add_suite,
    exit_code_of,
    home_of,
    plan_of,
    records_of,
)
from benchmark.errors import COMPLETE, UsageError, raise_all
from benchmark.paths import Home
from benchmark.records.paths import RECORD, RESAMPLED, SUFFIX

if TYPE_CHECKING:
    from benchmark.planning.plan import Cell, Plan
    from benchmark.planning.standing import Standings
    from benchmark.records.archive import Row
    from benchmark.records.store import Store


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "collect")
    add_suite(sub)
    sub.add_argument("--records", type=Path, help=RECORDS_HELP)
    sub.add_argument(
        "--out", type=Path, required=True, help=f"a file NAME{SUFFIX}, or a folder for a folder per record"
    )
    sub.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="also write the predictions for each recording here, for `verify`",
    )
    sub.set_defaults(function=collect)
    sub = add_command(commands, "records")
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = add_described(actions, "show", "print a record, byte by byte as it was written")
    action.add_argument("cell", nargs="+", metavar="CELL", help=CELL_HELP)
    action.add_argument("--records", type=Path, help=RECORDS_HELP)
    add_home(action)
    action.set_defaults(function=show)


def collect(options: argparse.Namespace) -> int:
    """Write the records of finished cells, with their plan; beside them the cards and loss curves of weights.

    Records that lie there already stay, unless they are of the same cells.
    """
    plan, source, standings = _source(options)
    _check_room(plan, options.out)
    _check_predictions(plan, options)
    cells = standings.finished_cells
    left_lines = _left_lines(plan, standings, options.out)
    if options.out.suffix == SUFFIX:
        _write_archive(plan, cells, source, options.out)
    else:
        _write_folder(plan, cells, source, options.out)
    for name in sorted({cell.weights_folder for cell in cells if cell.weights_folder}):
        _copy_card(name, options)
    _copy_trials(plan, options)
    _copy_presentation(options)
    print(f"{len(cells)} of {len(plan.cells)} records in {options.out}")
    for line in left_lines:
        print(line)
    if options.predictions is not None:
        _write_predictions(cells, source, options)
    return exit_code_of(standings, plan, options)


def _source(options: argparse.Namespace) -> tuple[Plan, Store, Standings]:
    from benchmark.planning import standing
    from benchmark.records.store import Store

    if options.records is not None:
        plan, store, now = records_of(options)
        return plan, store, standing.standings(plan, store, now)
    plan, home = plan_of(options), home_of(options)
    return plan, Store(home.records), standing.standings_at(plan, home)


def _check_room(plan: Plan, out: Path) -> None:
    """Refuse to replace the plan of another suite, or of more cells, since tables would then miss these cells."""
    from benchmark.planning.plan_file import read_plan

    present = read_plan(out) if out.exists() else None
    if present and (present.suite.name != plan.suite.name or present.limit != plan.limit):
        other = f"the suite {present.suite.name}" + (f" with --limit {present.limit}" if present.limit else "")
        raise UsageError(f"{out} holds records of {other}, and their plan: collect elsewhere, or remove it first")
    if plan.part and present and {cell.spec.key for cell in present.cells} - {cell.spec.key for cell in plan.cells}:
        raise UsageError(
            f"{out} holds records of more than {' '.join(plan.part)}, and their plan: collect the whole suite "
            "there, or this part elsewhere"
        )


def _left_lines(plan: Plan, standings: Standings, out: Path) -> list[str]:
    """Say which records that lie in `out` stay there, though no table shows them or they no longer count here."""
    from benchmark.planning.standing import FAILED, INCOMPLETE, STALE
    from benchmark.records.files import files_at
    from benchmark.records.store import place_of

    present = set(files_at(out).places()) if out.exists() else set()
    unused = present - {place_of(cell.spec) for cell in plan.cells}
    older = [cell for cell in standings.cells(FAILED, STALE, INCOMPLETE) if place_of(cell.spec) in present]
    lines = [f"{len(unused)} records there are of no cell of this plan; tables leave them out"] if unused else []
    if older:
        names = "; ".join(cell.title for cell in older[:3]) + ("; ..." if len(older) > 3 else "")
        lines.append(f"OLDER: {len(older)} cells that failed or are stale here keep an older record there: {names}")
    return lines


def _check_predictions(plan: Plan, options: argparse.Namespace) -> None:
    """Refuse, before anything is written, predictions that may not be published or that are not there."""
    if options.predictions is None:
        return
    from benchmark.records.files import is_archive
    from benchmark.records.predictions_file import check_licence

    check_licence(cell.spec.dataset for cell in plan.cells)
    problems = []
    if options.records is not None and is_archive(options.records):
        problems.append(f"{options.records} holds records alone; predictions lie in the home where they were made")
    if options.predictions.suffix != SUFFIX:
        problems.append(f"{options.predictions} does not end in {SUFFIX}")
    if options.predictions.parent.resolve() == options.out.parent.resolve():
        problems.append("records and predictions need a folder each, since every file of a folder is read as records")
    raise_all(problems, "--predictions:")


def _write_predictions(cells: Iterable[Cell], source: Store, options: argparse.Namespace) -> None:
    from benchmark.verification.collection import collect_predictions

    outcome = collect_predictions(cells, source, home_of(options), options.predictions)
    print(f"predictions of {outcome.cells} cells in {options.predictions}, {outcome.size / 1e6:.2f} MB")
    for reason, count in outcome.left_out.items():
        print(f"without predictions: {count} cells: {reason}")


def _write_archive(plan: Plan, cells: Iterable[Cell], source: Store, out: Path) -> None:
    from benchmark.planning.plan_file import plan_text
    from benchmark.records.archive import Archive, write_archive

    present = Archive(out).all_rows() if out.exists() else []
    rows = {row.place: row for row in (*present, *_rows(cells, source))}
    write_archive(out, rows.values(), plan_text(plan))


def _rows(cells: Iterable[Cell], source: Store) -> Iterator[Row]:
    from benchmark.records.archive import Row
    from benchmark.records.store import place_of

    for cell in cells:
        place = place_of(cell.spec)
        yield Row(place, source.content(place), source.files.read(place, RESAMPLED), cell.row)


def _write_folder(plan: Plan, cells: Iterable[Cell], source: Store, out: Path) -> None:
    from benchmark.atomic import write_bytes
    from benchmark.planning.plan_file import write_plan
    from benchmark.records.store import Store, place_of

    target = Store(out)
    for cell in cells:
        for name in (RECORD, RESAMPLED):
            content = source.files.read(place_of(cell.spec), name)
            if content is not None:
                write_bytes(target.folder(cell.spec) / name, content)
    write_plan(plan, out)


def _copy_card(name: str, options: argparse.Namespace) -> None:
    """Copy the card and the loss curve of weights, not the weights, from beside the records to beside the others."""
    from benchmark.planning.pretrained import CARD, CURVES, HISTORY

    source, target = _homes(options)
    _copy(source.pretrained / name, target.pretrained / name, (CARD, HISTORY, CURVES))


def _copy_trials(plan: Plan, options: argparse.Namespace) -> None:
    """Copy the records of the trials by which the plan's tuned rows were chosen."""
    source, target = _homes(options)
    rows = {cell.row for cell in plan.cells} | {skip.row for skip in plan.skips}
    for block in plan.suite.methods:
        if block.choice is not None and block.row in rows and block.row not in plan.untuned:
            part = Path(plan.suite.name) / block.choice["tuning"]
            names = tuple(path.name for path in (source.tuning / part).glob("trial-*.json"))
            _copy(source.tuning / part, target.tuning / part, names)


def _copy_presentation(options: argparse.Namespace) -> None:
    """Copy the presentation beside the suite's file, so that tables look the same from there."""
    from benchmark.leaderboard.presentation import FILE
    from benchmark.records.files import folder_beside

    if options.suite.endswith(".toml"):
        _copy(Path(options.suite).parent, folder_beside(options.out), (FILE,))


def _homes(options: argparse.Namespace) -> tuple[Home, Home]:
    """Return the folder beside the records that are read, and the one beside those that are written."""
    from benchmark.records.files import folder_beside

    beside = home_of(options).root if options.records is None else folder_beside(options.records)
    return Home(beside), Home(folder_beside(options.out))


def _copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    from benchmark.atomic import write_bytes

    for name in names:
        if (source / name).is_file():
            write_bytes(target / name, (source / name).read_bytes())


def show(options: argparse.Namespace) -> int:
    """Print the bytes of one record; its damage is an error."""
    from benchmark.records.finding import find_place
    from benchmark.records.record import UnusableRecordError, parse_record
    from benchmark.records.store import Store

    store = Store(options.records or home_of(options).records)
    place = find_place(store, options.cell)
    try:
        content = store.content(place)
        parse_record(content, place[2])
    except UnusableRecordError as error:
        raise UsageError(f"{store.files.name_of(place)} cannot be used: {error}") from error
    sys.stdout.write(content.decode("utf-8"))
    return COMPLETE
