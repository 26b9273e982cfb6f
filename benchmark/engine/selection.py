"""Zero-shot AUROC on the validation split, by which MERL and DERI select their epoch.

It reads validation labels, so weights that were chosen by it are marked in their card and in every table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import normalize

from benchmark.api import AlignedMethod
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.prepared import LabelSet, PreparedDataset
from benchmark.errors import UsageError
from benchmark.metrics.classification import auroc

PROMPTS = "en+de"
BATCH = 64


class LabelledPart(NamedTuple):
    """A label set of a prepared dataset, by whose validation split weights are selected, with its prompts."""

    data: PreparedDataset
    labels: LabelSet
    phrases: list[list[str]]  # of each class


def labelled_parts(data: PreparedDataset, dataset: str, label_sets: Iterable[str]) -> list[LabelledPart]:
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
        if (data.splits[labels.rows] == "val").any():
            parts.append(LabelledPart(data, labels, phrases))
    if not parts:
        raise UsageError(
            f"select = 'zero_shot_val': no label set of {dataset} has prompts ({PROMPTS}) and labelled recordings in "
            "its validation split; name some of another dataset in select_on, or use 'val_loss' or 'last'"
        )
    return parts


def zero_shot_val(method: AlignedMethod, parts: Sequence[LabelledPart], device: str) -> float:
    """Return the mean over label sets of the zero-shot macro AUROC on validation; `method` is in eval mode."""
    scores = [
        np.nanmean(auroc(*_labels_and_scores(method, part.data, part.labels, part.phrases, device))) for part in parts
    ]
    return float(np.mean(scores))


def _labels_and_scores(
    method: AlignedMethod, data: PreparedDataset, labelled: LabelSet, phrases: list[list[str]], device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores, both ``(recording of the validation split, class)``."""
    inside = data.splits[labelled.rows] == "val"
    rows, parts = labelled.rows[inside], []
    with torch.inference_mode():
        text = torch.stack([normalize(method.text_embeddings(group), dim=-1).mean(0) for group in phrases])
        for start in range(0, len(rows), BATCH):
            ecg = torch.from_numpy(data.read(rows[start : start + BATCH], method.signal)).to(device)
            parts.append(method.similarity(method.ecg_embeddings(ecg), text).float().cpu().numpy())
    return labelled.matrix[inside], np.concatenate(parts).astype(np.float64)
