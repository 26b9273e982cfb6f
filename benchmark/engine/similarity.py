"""Features of a suite's rows on the same recordings, and how alike they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.cell_weights import handle_of
from benchmark.engine.events import EventSink, naming_row
from benchmark.engine.features import are_cached, cached_features
from benchmark.engine.group_data import GroupData
from benchmark.engine.method_handle import MethodHandle
from benchmark.errors import UsageError, check_choice, raise_all
from benchmark.metrics.row_similarity import RowSimilarity, row_similarity
from benchmark.paths import Home
from benchmark.planning.plan import CellGroup, Plan, group_cells
from benchmark.planning.pretrained import read_card

MOST = 5000  # recordings: the inner products of so many take 100 MB per training
SPLITS = ("test", "val")


@dataclass(frozen=True)
class SuiteSimilarity:
    """The similarity of a suite's rows on one dataset, and what it was made from."""

    result: RowSimilarity
    dataset: str
    split: str
    data: str  # digest of the prepared dataset
    weights: Mapping[str, list[str | None]]  # SHA-256 of each training's weights, by row
    synthetic: bool
    left_out: int  # recordings of the split that were not compared


def suite_similarity(
    plan: Plan, dataset: str, split: str, home: Home, device: str, on_event: EventSink
) -> SuiteSimilarity:
    """Compare what the rows of a suite make of the recordings of a split; features come from the cache or are computed.

    Of a split with more than 5,000 recordings, whole patients are drawn. Weights that the suite trains must be there:
    nothing is trained here. Raises `UsageError` for a dataset that the suite does not have, fewer than two rows, and
    missing weights.
    """
    check_choice("similarity", "split", split, SPLITS)
    groups = _groups(plan, dataset, home)
    spec = groups[0].cells[0].spec
    cells = GroupData(home, spec.limit)
    data = cells.data(spec.dataset, spec.dataset_config)
    extracted = cells.rows(data)
    inside = np.flatnonzero(data.splits[extracted] == split)
    compared_rows = inside[_whole_patients(data, extracted[inside])]
    features: dict[str, list[np.ndarray]] = {}
    weights: dict[str, list[str | None]] = {}
    for group in groups:
        cell = group.cells[0]
        say = naming_row(cell.row, cell.spec.method, on_event)
        handle = handle_of(cell, home, device, say)
        features.setdefault(cell.row, []).append(_features(handle, data, extracted, compared_rows, home, say))
        weights.setdefault(cell.row, []).append(handle.weights_digest)
    result = row_similarity(features, list(data.patient_ids[extracted[compared_rows]]))
    missed = len(inside) - len(compared_rows)
    return SuiteSimilarity(result, dataset, split, data.digest, weights, data.synthetic, missed)


def _features(
    handle: MethodHandle, data: PreparedDataset, rows: np.ndarray, places: np.ndarray, home: Home, say: EventSink
) -> np.ndarray:
    """Return the features at `places` of `rows`: from the cached pass over all, if any, else of these alone."""
    if are_cached(handle, "features", data, rows, home.features):
        return np.asarray(cached_features(handle, "features", data, rows, home.features, say)[places], np.float64)
    return np.asarray(cached_features(handle, "features", data, rows[places], home.features, say), np.float64)


def _groups(plan: Plan, dataset: str, home: Home) -> list[CellGroup]:
    """Return one group of cells per training of a row on the dataset."""
    names = list(dict.fromkeys(cell.spec.dataset for cell in plan.cells))
    check_choice(f"the suite {plan.suite.name}", "dataset", dataset, names)
    cells = [cell for cell in plan.cells if cell.spec.dataset == dataset and cell.spec.signal is None]
    groups = [group for group in group_cells(cells) if _has_features(group)]
    rows = dict.fromkeys(group.cells[0].row for group in groups)
    if len(rows) < 2:
        raise UsageError(f"similarity compares two rows or more; {plan.suite.name} has {len(rows)} on {dataset}")
    absent = dict.fromkeys(
        f"{cell.row}{_member(cell.member)}: its weights are not trained yet"
        for cell in (group.cells[0] for group in groups)
        if cell.weights_folder is not None and read_card(home.pretrained / cell.weights_folder) is None
    )
    raise_all(list(absent), f"train them first: {plan.command('run')}; or choose rows with --methods:")
    return groups


def _has_features(group: CellGroup) -> bool:
    """Whether the row has one encoder for all its cells; a row trained end to end has another one in each."""
    return group.cells[0].spec.training is None


def _member(member: Any) -> str:
    return "" if member is None else f", training {member}"


def _whole_patients(data: PreparedDataset, rows: np.ndarray) -> np.ndarray:
    """Return the positions of at most `MOST` recordings, those of whole patients drawn with seed 0, ascending."""
    if len(rows) <= MOST:
        return np.arange(len(rows))
    patients, owner, counts = np.unique(data.patient_ids[rows], return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(patients))
    sample = order[np.cumsum(counts[order]) <= MOST]
    return np.flatnonzero(np.isin(owner, sample))
