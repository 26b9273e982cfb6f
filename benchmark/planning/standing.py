"""The standing of a cell: the one answer for `status`, `run`, tables, `--strict` and the cluster.

It follows from the cell's record and from what is at hand now: the data that is prepared, the code of method and task,
and the jobs that are queued or running.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmark.canonical import digest
from benchmark.data.labels.contamination import Verdict
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import BenchmarkError, MissingError
from benchmark.locks import keys_held
from benchmark.paths import Home
from benchmark.planning.contamination import Gate
from benchmark.planning.plan import Cell, Plan
from benchmark.planning.source_digest import cell_code, changed_parts
from benchmark.planning.weights_data import outlived_weights
from benchmark.records.index import Entry, read_entry, read_index
from benchmark.records.spec import datasets_of, values_key
from benchmark.records.store import Store

DONE = "done"  # finished, from the data and by the code at hand
OUTDATED = "outdated"  # finished by other code, or weights of other data: its number stays, marked, until `run --again`
STALE = "stale"  # finished from other data: its number is not used, a run makes it anew
FAILED = "failed"
INCOMPLETE = "incomplete"  # something lies in the record's place that cannot be believed; a run sets it aside
MISSING = "missing"
QUEUED, RUNNING = "queued", "running"  # missing here, but under way on a cluster
STATES = (DONE, OUTDATED, RUNNING, QUEUED, FAILED, STALE, INCOMPLETE, MISSING)
CODE = "the code of"  # begins why a cell is outdated, unless the data of its weights has changed
PARTS = {"method": "its method", "task": "its task", "weights": "the training of its weights"}
PLUGINS = {"method_plugin": "its method's plug-in", "task_plugin": "its task's plug-in"}


class Standing(NamedTuple):
    """A cell, one of `STATES`, and why it is not simply done; `entry` is its record in short."""

    cell: Cell
    state: str
    why: str = ""
    entry: Entry | None = None


@dataclass(frozen=True)
class AtHand:
    """The facts that a record is compared with; an unknown fact counts in favour of the record."""

    data: Mapping[str, str] = field(default_factory=dict)  # digest of name and options -> digest of the prepared data
    code: Callable[[str, str], Mapping[str, str]] = lambda method, task: {}
    under_way: Mapping[str, str] = field(default_factory=dict)  # key -> queued or running
    contamination: Callable[[Cell], Verdict | None] = lambda cell: None
    values: Mapping[str, str] = field(default_factory=dict)  # `values_key` -> digest of what lies beside a store
    weights: Mapping[str, str] = field(default_factory=dict)  # their folder -> why they are of other data


RECORDS_ALONE = AtHand()  # records of somebody else, or of another time, are what they were


def at_hand(plan: Plan, home: Home, under_way: Mapping[str, str] | None = None) -> AtHand:
    """Return the data that is prepared under `home`, its contamination gate, and the code of this installation."""
    verdict = Gate(home, quick=True).verdict
    data, values = data_digests(plan, home), values_digests(plan, home)
    return AtHand(data, code_now, under_way or {}, verdict, values, outlived_weights(plan, home))


def data_digests(plan: Plan, home: Home) -> dict[str, str]:
    """Return the digests of the plan's datasets that are prepared; those that are not have no entry."""
    return {key: data.digest for key, data in _stores(plan, home).items()}


def values_digests(plan: Plan, home: Home) -> dict[str, str]:
    """Return the digests of the plan's label sets and targets that lie beside a prepared store, by `values_key`."""
    stores, digests = _stores(plan, home), {}
    places = {(cell.spec.dataset, digest(cell.spec.dataset_config), cell.spec.label_set): cell for cell in plan.cells}
    for cell in places.values():
        data = stores.get(digest([cell.spec.dataset, cell.spec.dataset_config]))
        if data is not None and (values := data.values_digest(cell.spec.label_set)):
            digests[values_key(cell.spec)] = values
    return digests


def _stores(plan: Plan, home: Home) -> dict[str, PreparedDataset]:
    """Return the plan's datasets that are prepared, by the digest of their name and options."""
    stores = {}
    datasets = {digest(list(dataset)): dataset for cell in plan.cells for dataset in datasets_of(cell.spec)}
    for key, (name, config) in datasets.items():
        with suppress(MissingError):
            stores[key] = open_dataset(name, config, home)
    return stores


@functools.lru_cache(maxsize=4096)
def code_now(method: str, task: str) -> Mapping[str, str]:
    """Return the digests of the code of this installation; {} where method or task is not installed."""
    try:
        code = cell_code(method, task)
    except BenchmarkError:
        return {}
    return {**code, "weights": code["method"]} if "method" in code else code


def stand(cell: Cell, entry: Entry | None, now: AtHand) -> Standing:
    """Return where a cell stands, given its record in short."""
    spec = cell.spec
    if entry is None:
        return Standing(cell, now.under_way.get(spec.key, MISSING))
    if not entry.usable:
        return Standing(cell, now.under_way.get(spec.key, INCOMPLETE), entry.message, entry)
    if entry.protocol and entry.protocol != spec.protocol:
        return Standing(cell, INCOMPLETE, f"it follows {entry.protocol}, the cell asks for {spec.protocol}", entry)
    if entry.status == FAILED:
        return Standing(cell, now.under_way.get(spec.key, FAILED), entry.message, entry)
    if other := other_data(cell, entry, now):
        return Standing(cell, now.under_way.get(spec.key, STALE), other, entry)
    parts = changed_parts(entry.code, dict(now.code(spec.method, spec.task))) if entry.code else []
    if parts:
        names = ", ".join({**PARTS, **PLUGINS}.get(part, part) for part in parts)
        return Standing(cell, OUTDATED, f"{CODE} {names} has changed since", entry)
    if cell.weights_folder is not None and (why := now.weights.get(cell.weights_folder)):
        return Standing(cell, OUTDATED, why, entry)
    return Standing(cell, DONE, "", entry)


def other_data(cell: Cell, entry: Entry, now: AtHand) -> str:
    """Return a sentence where a record was made from other data than is prepared now, else ""."""
    for (name, config), then in zip(datasets_of(cell.spec), (entry.data, entry.source), strict=False):
        digest_here = now.data.get(digest([name, config]))
        if digest_here is not None and digest_here != then:
            return f"it was made from other data of {name} ({then}) than is prepared now ({digest_here})"
    values = now.values.get(values_key(cell.spec)) if now.values else None
    if values is not None and values != entry.values:
        place = f"{cell.spec.dataset}/{cell.spec.label_set}"
        return f"it was made from other values of {place} ({entry.values}) than are prepared now ({values})"
    return ""


class Standings:
    """The cells of a plan by where they stand, in the order of the plan."""

    def __init__(self, all_standings: Iterable[Standing]) -> None:
        self.all = tuple(all_standings)

    def cells(self, *states: str) -> list[Cell]:
        return [standing.cell for standing in self.all if standing.state in states]

    @property
    def finished_cells(self) -> list[Cell]:
        """Return the cells with a number that a table shows."""
        return self.cells(DONE, OUTDATED)

    @property
    def failed_cells(self) -> list[Cell]:
        return self.cells(FAILED)

    @property
    def to_run(self) -> list[Cell]:
        """Return the cells that a run makes, makes anew or waits for; failed ones are not among them."""
        return self.cells(STALE, INCOMPLETE, MISSING, QUEUED, RUNNING)

    def reasons(self, *states: str) -> dict[str, list[Cell]]:
        """Return the cells in these states, grouped by reason."""
        reasons: dict[str, list[Cell]] = {}
        for standing in self.all:
            if standing.state in states:
                reasons.setdefault(standing.why, []).append(standing.cell)
        return reasons


def standings(plan: Plan, store: Store, now: AtHand) -> Standings:
    """Return where every cell of a plan stands, by its record under `store`."""
    return Standings(stand(cell, read_entry(store.root, cell.spec), now) for cell in plan.cells)


def standings_at(plan: Plan, home: Home, under_way: Mapping[str, str] | None = None) -> Standings:
    """Return `standings` by the records, data and code of a home; only changed records are read again.

    Cells at work on this machine count as running, beside those `under_way` on a cluster.
    """
    running = dict.fromkeys(keys_held(home.locks), RUNNING)
    index, now = read_index(home), at_hand(plan, home, {**running, **(under_way or {})})
    return Standings(stand(cell, index.get(cell.spec.key), now) for cell in plan.cells)
