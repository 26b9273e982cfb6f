"""What must be said beside a number: leaks, and what the recordings could not give the method.

The verdict on leaks comes from the cards (`benchmark.data.labels.contamination`) and, where the dataset that made the
weights and the one under test are both prepared, from the recordings: shared patients, and equal signals by
fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import SPLITS, SignalSpec
from benchmark.atomic import write_text
from benchmark.data.labels import contamination as leaks
from benchmark.data.labels.contamination import Verdict
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.signals.signal import band_limit
from benchmark.data.store.fingerprints import find_copies, fingerprints
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import DataError, MissingError
from benchmark.paths import Home
from benchmark.planning.plan import Cell
from benchmark.records.record import RunRecord
from benchmark.registry import METHODS

SAME_SPLITS = {"rate"}  # options of a dataset that leave its splits as they are
NAMED = 5  # recordings named in a note


def annotate(
    record: RunRecord, cell: Cell, data: PreparedDataset, view: LabelledRows, signal: SignalSpec, home: Home
) -> None:
    """Add the caveats of a finished cell to its record."""
    subset = record.details.get("subset") or {}
    marks = [subset["note"]] if "note" in subset else []
    record.notes = [*record.notes, *signal_caveats(data, view.rows, signal, cell.spec.method), *marks]
    record.leak = verdict(cell, data, home).to_json()


def signal_caveats(data: PreparedDataset, rows: Mapping[str, np.ndarray], signal: SignalSpec, method: str) -> list[str]:
    """Too low a rate, and recordings that cannot serve, by split; those of test by name."""
    limit = band_limit(data.rate, signal)
    notes = [f"{method}: {limit}"] if limit else []
    silent = {split: np.intersect1d(rows[split], data.unusable(signal)) for split in SPLITS if split in rows}
    counts = [f"{len(found)} of {len(rows[split])} in {split}" for split, found in silent.items() if len(found)]
    if counts:
        names = [str(name) for name in data.record_ids[silent["test"]]]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        shown = f" (test: {', '.join(names[:NAMED])}{more})" if names else ""
        why = f"shorter than {signal.min_seconds:g} s or flat in all of its leads"
        notes.append(f"{method}: recordings {why} count as silence: {', '.join(counts)}{shown}")
    return notes


def verdict(cell: Cell, data: PreparedDataset, home: Home) -> Verdict:
    """By the cards, and by the recordings of whatever taught the method and is still prepared."""
    said = card_verdict(cell)
    checked = [_checked(seen, data, home) for seen in taught_by(cell)]
    known = [found for found in checked if isinstance(found, Verdict)]
    doubts = [found for found in checked if isinstance(found, str)]
    # where the cards could not tell, the recordings can
    said = leaks.join(known) if said.state == "unknown" and known else leaks.join([said, *known])
    return Verdict(said.state, (*said.reasons, *doubts))


def taught_by(cell: Cell) -> list[tuple[str, dict[str, Any]]]:
    """Name and options of the datasets whose training splits had a part: in the weights, or in a transferred probe."""
    recipe, source = made_by(cell), cell.spec.source
    return [(place["dataset"], place["dataset_config"]) for place in (recipe, source) if place is not None]


def _checked(seen: tuple[str, dict[str, Any]], data: PreparedDataset, home: Home) -> Verdict | str:
    try:
        return recordings_verdict(open_dataset(*seen, home), data, home)
    except (MissingError, DataError):
        return f"{seen[0]} is not prepared here, so its recordings were not compared"


def card_verdict(cell: Cell) -> Verdict:
    """What cards and recipes alone say; needs no data."""
    of_weights = _weights_verdict(cell)
    if cell.spec.source is None:
        return of_weights
    source = cell.spec.source["dataset"]
    return leaks.join([of_weights, leaks.judge(cell.spec.dataset, f"{source}:train", "learnt from", "its probe")])


def _weights_verdict(cell: Cell) -> Verdict:
    spec, recipe = cell.spec, made_by(cell)
    if recipe is not None and recipe["dataset"] == spec.dataset:
        if _splits(recipe["dataset_config"]) != _splits(spec.dataset_config):
            return Verdict("unknown", (f"its weights saw {spec.dataset} with other options, perhaps in other splits",))
        return leaks.judge(spec.dataset, f"{spec.dataset}:train")
    if recipe is not None:
        return leaks.judge(spec.dataset, recipe["dataset"])
    if spec.weights is not None:
        return leaks.judge_published(spec.dataset, METHODS.get(spec.method).card, spec.weights, cell.trained_on)
    return leaks.untouched()


def made_by(cell: Cell) -> dict[str, Any] | None:
    """The recipe of weights made here: the cell's own, or that of the card beside its weights file."""
    if cell.spec.pretraining is not None or cell.weights_file is None:
        return cell.spec.pretraining
    try:
        card = json.loads((Path(cell.weights_file).parent / "card.json").read_text("utf-8"))
        recipe: dict[str, Any] = card["recipe"]
        known = card["sha256"] == cell.spec.weights and {"dataset", "dataset_config"} <= recipe.keys()
        return recipe if known else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def recordings_verdict(seen: PreparedDataset, data: PreparedDataset, home: Home) -> Verdict:
    """Hold the training split of `seen` against the test split of `data`, patient by patient and signal by signal."""
    name, tested = seen.manifest["dataset"], data.manifest["dataset"]
    found = shared_recordings(seen, data, home)
    reasons = []
    if found["patients"]:
        reasons.append(f"{found['patients']} patients of the test split are in the training split of {name}")
    if found["copies"]:
        pairs = ", ".join(f"{test} = {other}" for test, other in found["copies"][:NAMED])
        count = f"{len(found['copies'])} test recordings"
        reasons.append(f"{count} have their signal in the training split of {name}: {pairs}")
    if reasons:
        return Verdict("contaminated", tuple(reasons))
    compared = "no patient and no signal" if name == tested else "no signal"
    among = f"the {found['seen']} training recordings of {name}"
    return Verdict("clean", (f"checked: {compared} of the test split is among {among}",))


def shared_recordings(seen: PreparedDataset, data: PreparedDataset, home: Home) -> dict[str, Any]:
    """Patients and copies that both have; patients by their ids, which mean something within one dataset only."""
    path = home.fingerprints / f"{seen.digest}-{data.digest}.json"
    try:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return kept
    except (OSError, ValueError):
        pass
    training, test = np.flatnonzero(seen.splits == "train"), np.flatnonzero(data.splits == "test")
    same = seen.manifest["dataset"] == data.manifest["dataset"]
    patients = set(seen.patient_ids[training]) & set(data.patient_ids[test]) if same else set()
    wanted = fingerprints(data, home.fingerprints)[test]
    copies = find_copies(wanted, fingerprints(seen, home.fingerprints), training)
    named = [[str(data.record_ids[test[position]]), str(seen.record_ids[row])] for position, row in copies]
    found = {"seen": len(training), "patients": len(patients), "copies": named}
    write_text(path, json.dumps(found))
    return found


def _splits(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in SAME_SPLITS}
