"""Room for new records and weights: old ones are set aside, never removed."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from benchmark.locks import locked
from benchmark.paths import Home
from benchmark.planning.plan import Cell, Plan
from benchmark.planning.pretrained import read_card
from benchmark.planning.source_digest import changed_parts, method_code
from benchmark.planning.standing import FAILED, INCOMPLETE, STALE, AtHand, stand
from benchmark.planning.weights_data import outlived_weights
from benchmark.records.index import read_entry
from benchmark.records.paths import SET_ASIDE
from benchmark.records.store import Store


def set_aside_rows(plan: Plan, home: Home, rows: Collection[str], weights: bool = False) -> list[str]:
    """Set aside the records of these rows, and their weights by other code or of other data (with `weights`, all).

    Returns sentences that say what was moved, and to which folder.
    """
    cells = [cell for cell in plan.cells if cell.row in rows]
    store = Store(home.records)
    cells_moved = [cell for cell in cells if store.set_aside(cell.spec) is not None]
    lines = (
        [f"{len(cells_moved)} records of {', '.join(rows)} were set aside in {store.root / SET_ASIDE}"]
        if cells_moved
        else []
    )
    outlived = outlived_weights(plan, home)
    for name in dict.fromkeys(cell.weights_folder for cell in cells if cell.weights_folder):
        folder = home.pretrained / name
        card = read_card(folder)
        if card is None or not (weights or name in outlived or _is_of_other_code(card)):
            continue
        target = home.pretrained / SET_ASIDE / f"{name}-{secrets.token_hex(4)}"
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        lines.append(f"the weights in {folder} were set aside in {target}")
    return lines


def _is_of_other_code(card: Mapping[str, Any]) -> bool:
    return bool(changed_parts(card.get("code", {}), method_code(card["method"])))


def make_room(cells: Iterable[Cell], home: Home, now: AtHand) -> None:
    """Set aside the records that a cluster job is to make anew: its supervisor checks only whether a record exists.

    Each is checked under the cell's lock, so that a record which another run has just finished stays.
    """
    store = Store(home.records)
    for cell in cells:
        with locked(home.locks, cell.spec.key) as is_ours:
            if is_ours and stand(cell, read_entry(store.root, cell.spec), now).state in (FAILED, STALE, INCOMPLETE):
                with suppress(FileNotFoundError):
                    store.set_aside(cell.spec)
