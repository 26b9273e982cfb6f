"""Zero-shot AUROC on the validation split, by which MERL and DERI select their epoch.

It reads validation labels, so weights that were chosen by it are marked in their card and in every table.
"""

from __future__ import annotations

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


def zero_shot_val(method: AlignedMethod, data: PreparedDataset, dataset: str, device: str) -> float:
    """Return the mean, over the dataset's label sets with prompts, of macro AUROC; `method` is in eval mode."""
    scores = []
    for name in data.manifest["label_sets"]:
        labelled = data.label_set(name)
        try:
            phrases = load_prompts(PROMPTS).phrases(dataset, name, labelled.classes)
        except UsageError:
            continue  # no prompts for this label set
        aurocs = auroc(*_labels_and_scores(method, data, labelled, phrases, device))
        scores.append(float(np.nanmean(aurocs)))
    if not scores:
        raise UsageError(
            f"select = 'zero_shot_val': no label set of {dataset} has prompts ({PROMPTS}); use 'val_loss' or 'last'"
        )
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
