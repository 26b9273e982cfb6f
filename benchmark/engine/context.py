"""What a task sees of a cell: signals, reports and labels of train and validation, and of test the signals alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmark.api import AlignedMethod, Batch, Method, SignalSpec, SupervisedMethod
from benchmark.atomic import atomic_path, write_text
from benchmark.canonical import digest
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.labels.merl_subset import merl_subset
from benchmark.data.labels.subsets import Subset, draw, draw_recordings
from benchmark.data.reports.report_texts import report_key
from benchmark.data.signals.conditions import ConditionedDataset, SignalCondition
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.cost import merge_costs
from benchmark.engine.events import EventSink
from benchmark.engine.features import Layer, cached_features, stored_cost
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.training import Progress, train
from benchmark.errors import BenchmarkError, UsageError, did_you_mean
from benchmark.planning.training_config import TrainingConfig, number_of_epochs
from benchmark.registry import METHODS

SUBSET_RULES = ("patients", "recordings", "merl")
VALIDATIONS = 5  # at most so many per supervised training: one costs as much as training on the 1 % subset


class TestSetLockedError(BenchmarkError):
    """A task asked for what only the scorer may see."""

    __test__ = False  # not a test, whatever pytest makes of the name


class SplitSignals:
    """Recordings of a split as a loop draws them, with their labels; those of test have none."""

    def __init__(self, data: PreparedDataset, rows: np.ndarray, labels: np.ndarray | None, spec: SignalSpec) -> None:
        self.data, self.rows, self.labels, self.spec = data, rows, labels, spec

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: np.ndarray) -> Batch:
        rows = self.rows[positions]
        ecg = torch.from_numpy(self.data.read(rows, self.spec))
        labels = None if self.labels is None else torch.from_numpy(self.labels[positions].astype(np.float32))
        return Batch(ecg, list(self.data.record_ids[rows]), labels=labels)


@dataclass(frozen=True)
class Sequences:
    """Token sequences of a split: ``(token, dim)`` for each of its recordings, read when asked for."""

    stored: np.ndarray  # (row, token, dim) float32, or float16 where shortened; memory-mapped
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: np.ndarray) -> Sequences:
        return Sequences(self.stored, self.rows[positions])

    def batch(self, positions: np.ndarray) -> torch.Tensor:
        """``(len(positions), token, dim)``"""
        return torch.from_numpy(self.stored[self.rows[positions]]).float()


class TaskContext:
    """Passed to `Task.answer`. It holds no test label; asking for one is an error."""

    def __init__(
        self,
        data: PreparedDataset,
        view: LabelledRows,
        source: MethodHandle,
        dataset: str,
        label_set: str,
        features_folder: Path,
        subsets_folder: Path,
        on_event: EventSink,
        training: dict[str, Any] | None = None,
        all_rows: np.ndarray | None = None,
        condition: SignalCondition | None = None,
        learns_from: TaskContext | None = None,
        scratch: Path | None = None,
        decoders: Path | None = None,
    ) -> None:
        self._data, self._view, self._method_handle = data, view.without_test(), source
        self._condition, self._learns_from = condition or SignalCondition(), learns_from
        self._perturbed = data if self._condition.clean else ConditionedDataset(data, self._condition)
        self._features_folder, self._subsets_folder = features_folder, subsets_folder
        self._all_rows = np.arange(len(data)) if all_rows is None else all_rows
        self._training, self._scratch, self._decoders = training, scratch, decoders
        self._passes: set[Path] = set()  # files of the feature cache that the task has asked for
        self.dataset, self.label_set, self.on_event = dataset, label_set, on_event

    @property
    def classes(self) -> tuple[str, ...]:
        return self._view.classes

    @property
    def method_name(self) -> str:
        return self._method_handle.name

    @property
    def method_class(self) -> type[Method]:
        return METHODS.get(self._method_handle.name)

    @property
    def method(self) -> Method:
        """Built and loaded on first use."""
        return self._method_handle.method

    @property
    def source_dataset(self) -> TaskContext:
        """The other dataset that the task learns from (`Task.learns_from`), its test labels as locked as the cell's."""
        if self._learns_from is None:
            raise BenchmarkError("this task learns from the cell's own dataset; it names no other one")
        return self._learns_from

    @property
    def aligned_method(self) -> AlignedMethod:
        assert isinstance(self.method, AlignedMethod)  # the plan has checked it
        return self.method

    def scratch(self, name: str) -> Path | None:
        """Where this cell may keep what a killed run goes on from; None where nothing is kept."""
        return self._scratch / name if self._scratch else None

    def decoder_file(self, recipe: Mapping[str, Any]) -> Path | None:
        """Where what was learnt by `recipe` from the cell's train and val is kept for other cells; None: nowhere."""
        if self._decoders is None:
            return None
        rows = [list(map(int, self._view.rows[split])) for split in ("train", "val")]
        read = self._condition.to_json() if self._condition.holds("train") else None
        data = [self._data.digest, read, digest(rows)]
        parts = [self._method_handle.identity, self._method_handle.precision, data, dict(recipe)]
        name = f"{self._method_handle.name}-{digest(parts)}"
        return self._decoders / f"{name}.pt"

    def labels(self, split: str) -> np.ndarray:
        """``(recording, class)`` of train or val."""
        if split == "test":
            raise TestSetLockedError("test labels are for the scorer alone; a task predicts and returns its answer")
        return self._view.labels[split]

    def features(self, split: str, layer: Layer = "features") -> np.ndarray:
        """``(recording, dim)`` float32 in the order of `labels`, from the cache."""
        wanted, rows = self._view.rows[split], self._rows_read(split)
        return self._extracted(layer, self._data_of(split), rows)[np.searchsorted(rows, wanted)]

    @property
    def cost(self) -> dict[str, float]:
        """Parameters, FLOPs and seconds per recording of the features that the task has asked for."""
        here = [stored_cost(path) for path in sorted(self._passes)]
        return merge_costs([*here, self._learns_from.cost] if self._learns_from else here)

    def candidate_reports(self) -> list[str]:
        """The different texts among the reports of test, sorted: nothing says which recording one belongs to."""
        texts: dict[str, str] = {}
        for report in self._data.reports[self._view.rows["test"]]:
            key = report_key(report)
            texts[key] = min(report, texts.get(key, report))
        return [texts[key] for key in sorted(texts) if key]

    def size(self, split: str) -> int:
        """The number of recordings of a split."""
        return len(self._view.rows[split])

    def reports(self, split: str) -> list[str]:
        """The reports of train or val as the dataset has them, in the order of `labels`."""
        if split == "test":
            raise TestSetLockedError("test reports are for the scorer alone; a task writes its own and returns them")
        return list(self._data.reports[self._view.rows[split]])

    def record_ids(self, split: str) -> list[str]:
        return list(self._data.record_ids[self._view.rows[split]])

    def tokens(self, split: str, layer: Literal["sequence", "short_sequence"] = "sequence") -> Sequences:
        """Token sequences in the order of `labels`; they stay on disk, in the cache."""
        wanted, rows = self._view.rows[split], self._rows_read(split)
        return Sequences(self._extracted(layer, self._data_of(split), rows), np.searchsorted(rows, wanted))

    def signals(self, split: str, spec: SignalSpec, positions: np.ndarray | None = None) -> SplitSignals:
        """The recordings of a split (those at `positions`) in the form of `spec`; with labels unless it is test."""
        rows, labels = self._view.rows[split], self._view.labels.get(split)
        chosen = np.arange(len(rows)) if positions is None else positions
        return SplitSignals(self._data_of(split), rows[chosen], None if labels is None else labels[chosen], spec)

    def fresh_method(self, seed: int) -> Method:
        """A method of its own, to be changed: with the cell's weights, else with random ones from `seed`."""
        return self._method_handle.fresh(seed)

    @property
    def device(self) -> str:
        return self._method_handle.device

    def subset(self, fraction: float, seed: int, rule: str = "patients") -> Subset:
        """The labelled part of the training split; its manifest is kept for whoever wants to use it elsewhere.

        `rule` is "patients" (see `draw`), "recordings" (drawn evenly, without regard to patients and labels) or
        "merl", which draws as MERL's code does from its files.
        """
        rows, labels = self._view.rows["train"], self._view.labels["train"]
        ids = self._data.record_ids[rows]
        if rule not in SUBSET_RULES:
            raise UsageError(f"no subset rule {rule!r}{did_you_mean(rule, SUBSET_RULES)}")
        if rule == "merl":
            subset = merl_subset(self.dataset, self.label_set, ids, labels, self.classes, fraction)
        elif rule == "recordings":
            subset = draw_recordings(ids, labels, self.classes, fraction, seed)
        else:
            subset = draw(ids, self._data.patient_ids[rows], labels, self.classes, fraction, seed)
        path = self._subsets_folder / f"{self.dataset}-{self.label_set}-{fraction:g}-seed{seed}-{subset.digest}.json"
        if not path.is_file():
            write_text(path, json.dumps(subset.manifest(ids), ensure_ascii=False))
        return subset

    def train_end_to_end(
        self, subset: Subset, seed: int, val_score: Callable[[np.ndarray], float]
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        """Train a fresh supervised method on the subset; keep the best of `VALIDATIONS` epochs by `val_score`.

        Returns logits of val and test, and the history of the training.
        """
        method = self._method_handle.fresh(seed)
        assert isinstance(method, SupervisedMethod) and isinstance(method, torch.nn.Module)
        method.start_task(len(self.classes))
        options = TrainingConfig.from_options({**(self._training or {}), "seed": seed}, "training")
        return self.train_and_choose(method, subset, options, val_score)

    def train_and_choose(
        self,
        method: SupervisedMethod,
        subset: Subset,
        options: TrainingConfig,
        val_score: Callable[[np.ndarray], float],
        groups: list[dict[str, Any]] | None = None,
        resumable: bool = False,
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        """As `train_end_to_end`, for a method at hand; `resumable` means after a kill, and to the same bits."""
        assert isinstance(method, torch.nn.Module)
        signals = self.signals("train", method.signal, subset.rows)
        kept = self.scratch("best.pt") if resumable else None
        best: dict[str, Any] = {"score": -np.inf, "state": None}
        if kept is not None and kept.is_file():
            best = torch.load(kept, map_location="cpu", weights_only=True)

        epochs = number_of_epochs(len(signals), options)
        watched = {round(epochs * (part + 1) / VALIDATIONS) for part in range(VALIDATIONS)}

        def validate(progress: Progress) -> dict[str, float]:
            if progress.epoch not in watched:
                return {}
            score = val_score(self._class_scores(method, "val"))
            if score > best["score"]:
                best.update(score=score, state={k: v.clone() for k, v in method.state_dict().items()})
                if kept is not None:
                    with atomic_path(kept) as temporary:
                        torch.save(best, temporary)
            return {"val_score": score}

        title = f"training {self._method_handle.name} on {len(signals)} recordings"
        device, state = self._method_handle.device, self.scratch("training.pt") if resumable else None
        progress = train(method, signals, options, title, self.on_event, device, state, validate, groups=groups)
        method.load_state_dict(best["state"])
        return {split: self._class_scores(method, split) for split in ("val", "test")}, progress.history

    def _class_scores(self, method: SupervisedMethod, split: str, size: int = 64) -> np.ndarray:
        signals, device = self.signals(split, method.signal), self._method_handle.device
        parts = []
        with torch.inference_mode():
            for start in range(0, len(signals), size):
                ecg = signals.batch(np.arange(start, min(start + size, len(signals)))).ecg
                parts.append(method.class_scores(ecg.to(device)).float().cpu().numpy())
        return np.concatenate(parts)

    def _data_of(self, split: str) -> PreparedDataset:
        """The recordings as this cell's condition has a split read."""
        return self._perturbed if self._condition.holds(split) else self._data

    def _rows_read(self, split: str) -> np.ndarray:
        """The rows of one pass over the signals: those of test alone when the condition is for test alone."""
        if self._condition.holds(split) and not self._condition.holds("train"):
            return self._all_rows[self._data.splits[self._all_rows] == split]
        return self._all_rows

    def _extracted(self, layer: Layer, data: PreparedDataset, rows: np.ndarray) -> np.ndarray:
        source = self._method_handle
        found = cached_features(
            source.identity,
            layer,
            lambda: source.method,
            data,
            rows,
            self._features_folder,
            self.on_event,
            source.device,
            source.precision,
        )
        self._passes.add(Path(str(found.filename)))
        return found
