"""Pre-train a method on recordings and their reports; the weights are kept under the digest of their recipe.

``pretrained/<method>-<digest>/`` holds checkpoint.pt (to resume), weights.safetensors, history.csv and
card.json, which is written last: where it is, the weights are complete.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from benchmark import canonical
from benchmark.api import Batch, SignalSpec, TrainableMethod
from benchmark.atomic import write_text
from benchmark.data.preparation import open_dataset
from benchmark.data.prepared import PreparedDataset
from benchmark.engine import provenance
from benchmark.engine.building import build
from benchmark.engine.checkpoints import save_weights
from benchmark.engine.events import Event, Report
from benchmark.engine.training import Progress, TrainingConfig, mean_losses, train
from benchmark.errors import DataError, UsageError
from benchmark.paths import Home

WEIGHTS, CARD, HISTORY, CHECKPOINT = "weights.safetensors", "card.json", "history.csv", "checkpoint.pt"


@dataclass(frozen=True)
class Pretrained:
    """Finished weights and what made them."""

    weights: Path
    card: dict[str, Any]

    @property
    def sha256(self) -> str:
        return str(self.card["sha256"])


class ReportedRecordings:
    """Recordings of one split, all or those with a report: what pre-training sees. Labels are not within its reach."""

    def __init__(
        self,
        data: PreparedDataset,
        split: str,
        spec: SignalSpec,
        limit: int | None = None,
        needs_reports: bool = True,
    ) -> None:
        fit = np.array([bool(report.strip()) or not needs_reports for report in data.reports])
        self.data, self.spec = data, spec
        self.rows = np.flatnonzero((data.splits == split) & fit)[:limit]
        self.reports = data.reports[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: np.ndarray) -> Batch:
        rows = self.rows[positions]
        ecg = torch.from_numpy(self.data.read(rows, self.spec))
        return Batch(ecg, list(self.data.record_ids[rows]), list(self.reports[positions]))


def pretrained_folder(method: str, version: int, config: dict[str, Any], recipe: dict[str, Any], home: Home) -> Path:
    return home.pretrained / f"{method}-{canonical.digest([method, version, config, recipe])}"


def pretrain(
    method_name: str,
    version: int,
    config: dict[str, Any],
    recipe: dict[str, Any],
    home: Home,
    report: Report,
    device: str = "cpu",
) -> Pretrained:
    """Return the weights of a recipe, training them first if need be, from the last checkpoint if there is one."""
    folder = pretrained_folder(method_name, version, config, recipe, home)
    folder.mkdir(parents=True, exist_ok=True)
    data = open_dataset(recipe["dataset"], recipe["dataset_config"], home)
    with FileLock(folder / "lock"):
        found = read_card(folder)
        if found is None:
            found = _train(folder, method_name, config, recipe, data, report, device)
    if found["data_digest"] != data.digest:
        raise DataError(f"the weights in {folder} were made from other data than {data.path}; remove one of the two")
    return Pretrained(folder / WEIGHTS, found)


def read_card(folder: Path) -> dict[str, Any] | None:
    """The card of finished weights, or None; a folder without both files is unfinished."""
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return card if (folder / WEIGHTS).is_file() else None


def _train(
    folder: Path,
    name: str,
    config: dict[str, Any],
    recipe: dict[str, Any],
    data: PreparedDataset,
    report: Report,
    device: str,
) -> dict[str, Any]:
    options = TrainingConfig.from_options(recipe["training"], f"pretrain of {name}")
    method = build(name, config, device=device, seed=options.seed)
    if not isinstance(method, TrainableMethod) or not isinstance(method, torch.nn.Module):
        raise UsageError(f"{name} cannot be pre-trained")
    corpus = ReportedRecordings(data, "train", method.signal, recipe["limit"], method.needs_reports)
    validation = ReportedRecordings(data, "val", method.signal, recipe["limit"], method.needs_reports)
    if not len(corpus):
        what = "reports" if method.needs_reports else "recordings"
        raise UsageError(f"{recipe['dataset']} has no {what} to pre-train {name} on")
    report(
        Event(
            "note", f"pre-training {name} on {len(corpus)} recordings of {recipe['dataset']}, {options.epochs} epochs"
        )
    )
    method.start_pretraining(list(corpus.reports))
    method.to(device)
    started = time.monotonic()

    def validate(progress: Progress) -> dict[str, float]:
        losses = mean_losses(method, validation, options, device) if len(validation) else {}
        report(Event("note", f"{name} epoch {progress.epoch}: " + ", ".join(f"{k} {v:.3f}" for k, v in losses.items())))
        return losses

    progress = train(
        method, corpus, options, f"pre-training {name}", report, device, folder / CHECKPOINT, after_epoch=validate
    )
    return _finish(folder, name, method, config, recipe, data, progress, time.monotonic() - started, len(corpus))


def _finish(
    folder: Path,
    name: str,
    method: torch.nn.Module,
    config: dict[str, Any],
    recipe: dict[str, Any],
    data: PreparedDataset,
    progress: Progress,
    seconds: float,
    recordings: int,
) -> dict[str, Any]:
    import pandas as pd

    write_text(folder / HISTORY, pd.DataFrame(progress.history).to_csv(index=False))
    save_weights(method, folder / WEIGHTS)
    card = {
        "method": name,
        "config": config,
        "recipe": recipe,
        "sha256": canonical.file_sha256(folder / WEIGHTS),
        "data_digest": data.digest,
        "synthetic": data.synthetic,
        "recordings": recordings,
        "selection": "last epoch",
        "steps": progress.step,
        "final": progress.history[-1],
        "seconds": round(seconds, 1),  # of the last sitting, if the training was resumed
        "provenance": provenance.collect(),
    }
    write_text(folder / CARD, json.dumps(card, indent=1, ensure_ascii=False))
    (folder / CHECKPOINT).unlink(missing_ok=True)  # optimiser state: three times the weights, of no use any more
    return card
