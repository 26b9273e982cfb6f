"""Zero-shot AUROC on the validation split, by which MERL and DERI select their epoch.

It reads validation labels, so weights that were chosen by it are marked in their card and in every table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import normalize

from benchmark.api import AlignedMethod
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import LabelSet, PreparedDataset
from benchmark.errors import UsageError
from benchmark.metrics.classification import auroc
from benchmark.paths import Home

PROMPTS = "en+de"
BATCH = 64


class LabelledPart(NamedTuple):
    """A label set of a prepared dataset, by whose validation split weights are selected, with its prompts."""

    data: PreparedDataset
    labels: LabelSet
    phrases: list[list[str]]  # of each class

    @property
    def rows(self) -> np.ndarray:
        """The rows of its validation split in the dataset, ascending."""
        return self.labels.rows[self._inside]

    @property
    def truth(self) -> np.ndarray:
        """The labels of its validation split, ``(recording, class)``."""
        return self.labels.matrix[self._inside]

    @property
    def _inside(self) -> np.ndarray:
        return np.asarray(self.data.splits[self.labels.rows] == "val", bool)


def labelled_parts(data: PreparedDataset, dataset: str, label_sets: Collection[str]) -> list[LabelledPart]:
    """Return the label sets of a dataset for which there are prompts and labelled recordings in the validation split.

    Raises `UsageError` where there is none.
    """
    parts = []
    for name in label_sets:
        labels = data.label_set(name)
        try:
            phrases = load_prompts(PROMPTS).phrases(dataset, name, labels.classes)
        except UsageError:
            continue  # no prompts for this label set
        part = LabelledPart(data, labels, phrases)
        if len(part.rows):
            parts.append(part)
    if not parts:
        raise UsageError(
            f"select = 'zero_shot_val': no label set of {dataset} ({', '.join(label_sets) or 'it has none'}) has "
            f"prompts ({PROMPTS}) and labelled recordings in its validation split; name label sets that have both in "
            "select_on, or use 'val_loss' or 'last'"
        )
    return parts


def parts_of_recipe(recipe: Mapping[str, Any], data: PreparedDataset, home: Home) -> list[LabelledPart]:
    """Return the label sets whose validation split chooses the epoch: those of ``select_on``, or the corpus's own."""
    if recipe["training"].get("select", "last") != "zero_shot_val":
        return []
    if "select_on" not in recipe:
        return labelled_parts(data, recipe["dataset"], data.manifest["label_sets"])
    return [
        part
        for entry in recipe["select_on"]
        for part in labelled_parts(
            open_dataset(entry["dataset"], entry["dataset_config"], home), entry["dataset"], [entry["label_set"]]
        )
    ]


def selected_on(recipe: Mapping[str, Any], parts: Sequence[LabelledPart]) -> dict[str, list[dict[str, str]]]:
    """Return the label sets of other datasets that chose the epoch, with the digests of their data; else {}."""
    if "select_on" not in recipe:
        return {}
    return {
        "selected_on": [
            {"dataset": entry["dataset"], "label_set": entry["label_set"], "data_digest": part.data.digest}
            for entry, part in zip(recipe["select_on"], parts, strict=True)
        ]
    }


def zero_shot_val(method: AlignedMethod, parts: Sequence[LabelledPart], device: str) -> float:
    """Return the mean over label sets of the zero-shot macro AUROC on validation; `method` is in eval mode.

    A recording is encoded once, however many label sets it belongs to.
    """
    rows_by_data: dict[str, np.ndarray] = {}
    for part in parts:
        rows_by_data[part.data.digest] = np.union1d(rows_by_data.get(part.data.digest, []), part.rows).astype(int)
    stores = {part.data.digest: part.data for part in parts}
    with torch.inference_mode():
        ecg = {name: _embeddings(method, stores[name], rows, device) for name, rows in rows_by_data.items()}
        scores = [
            np.nanmean(auroc(part.truth, _scores(method, part, rows_by_data[name], ecg[name])))
            for part in parts
            for name in [part.data.digest]
        ]
    return float(np.mean(scores))


def _embeddings(method: AlignedMethod, data: PreparedDataset, rows: np.ndarray, device: str) -> torch.Tensor:
    """Return ``(len(rows), dim)`` on the device."""
    batches = (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
    return torch.cat(
        [method.ecg_embeddings(torch.from_numpy(data.read(batch, method.signal)).to(device)) for batch in batches]
    )


def _scores(method: AlignedMethod, part: LabelledPart, rows: np.ndarray, ecg: torch.Tensor) -> np.ndarray:
    """Return ``(recording of the part, class)`` float64; `ecg` are the embeddings of `rows`."""
    text = torch.stack([normalize(method.text_embeddings(group), dim=-1).mean(0) for group in part.phrases])
    places = torch.from_numpy(np.searchsorted(rows, part.rows)).to(ecg.device)
    return method.similarity(ecg[places], text).float().cpu().numpy().astype(np.float64)
