"""A task's view of a cell: signals, reports and labels of train and validation, but only the signals of test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import LEADS, Layer, Method, SignalSpec, SupervisedMethod
from benchmark.cache.arrays import read_array
from benchmark.cache.json_files import keep_json
from benchmark.canonical import digest
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.labels.merl_subset import merl_subset
from benchmark.data.labels.subsets import SUBSET_RULES, Subset, draw, draw_recordings, first_of_each_class
from benchmark.data.reports.report_texts import report_key
from benchmark.data.signals.conditions import ConditionedDataset, SignalCondition
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine import supervised
from benchmark.engine.cost import merge_costs
from benchmark.engine.events import Event, EventSink, discard_event, notes_to
from benchmark.engine.features import are_cached, cached_features, stored_cost
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.split_signals import SplitSignals
from benchmark.errors import BenchmarkError, TestSetLockedError, UsageError, check_choice
from benchmark.layers import SEQUENCES
from benchmark.paths import Home
from benchmark.probes.sequences import Sequences
from benchmark.registry import METHODS


@dataclass(frozen=True)
class CellInputs:
    """Everything that a cell is computed from."""

    data: PreparedDataset
    rows: LabelledRows
    handle: MethodHandle
    dataset: str
    label_set: str
    home: Home  # keeps features, subsets and decoders
    on_event: EventSink = discard_event
    training: Mapping[str, Any] | None = None  # the suite's options for methods that are trained end to end
    training_seed: int = 0  # of the member of such a row; 0: the question's own seed alone
    extracted: np.ndarray | None = None  # rows of the dataset that features are computed for; None: all
    examples: np.ndarray | None = None  # rows of train that cells of the group declare to read, ascending
    condition: SignalCondition = field(default_factory=SignalCondition)
    source_dataset: CellContext | None = None  # for a task that learns from another dataset
    is_rotation: bool = False  # train, val and test are folds of `rows`, not the splits of the dataset
    scratch: Path | None = None  # folder of the state from which a killed cell goes on


class CellContext:
    """The `benchmark.api.TaskContext` of a cell. It holds no test label; asking for one is an error."""

    def __init__(self, inputs: CellInputs) -> None:
        self._inputs, self._data, self._rows = inputs, inputs.data, inputs.rows.without_test()
        self._handle, self._condition = inputs.handle, inputs.condition
        clean = self._condition.clean
        self._perturbed = self._data if clean else ConditionedDataset(self._data, self._condition)
        self._extracted = np.arange(len(self._data)) if inputs.extracted is None else inputs.extracted
        self._passes: set[tuple[Layer, Path]] = set()  # files of the feature cache that the task has asked for
        self.dataset, self.label_set, self.classes = inputs.dataset, inputs.label_set, inputs.rows.classes
        self.target = inputs.rows.target
        self.method_name, self.device = inputs.handle.name, inputs.handle.device
        self.method_class: type[Method] = METHODS.get(inputs.handle.name)
        self.on_event = inputs.on_event

    @property
    def method(self) -> Method:
        """Return the method with the cell's weights, built and loaded on first use."""
        return self._handle.method

    @property
    def source_dataset(self) -> CellContext:
        """Return the other dataset that the task learns from (`Task.learns_from`); its test labels are locked too."""
        if self._inputs.source_dataset is None:
            raise BenchmarkError("this task learns from the cell's own dataset; it names no other one")
        return self._inputs.source_dataset

    @property
    def cost(self) -> dict[str, float]:
        """Return parameters, FLOPs and seconds per recording of the features that the task has requested."""
        source = self._inputs.source_dataset
        passes = self._passes | (source._passes if source else set())
        return merge_costs([(layer, len(read_array(path)), stored_cost(path)) for layer, path in sorted(passes)])

    # --- labels, reports, ids ---

    def labels(self, split: str) -> np.ndarray:
        """Return ``(recording, class)`` of train or val; of a sparse label set NaN where it is unknown."""
        if split == "test":
            raise TestSetLockedError(
                "test labels are for the scorer alone; a task predicts and returns its predictions"
            )
        return self._rows.labels[split]

    def target_values(self, split: str) -> np.ndarray:
        """Return the numbers of train or val, ``(recording,)`` float64, in the order of `features`."""
        if split == "test":
            raise TestSetLockedError("the numbers of test are for the scorer alone; a task returns its predictions")
        if self._rows.values is None:
            raise UsageError(f"{self._rows.name} has classes and no numbers")
        return self._rows.values[split]

    def reports(self, split: str) -> list[str]:
        """Return the reports of train or val as the dataset has them, in the order of `labels`."""
        if split == "test":
            raise TestSetLockedError("test reports are for the scorer alone; a task writes its own and returns them")
        return list(self._data.reports[self._rows.rows[split]])

    def record_ids(self, split: str) -> list[str]:
        """Return the ids of a split's recordings."""
        return list(self._data.record_ids[self._rows.rows[split]])

    def candidate_reports(self) -> list[str]:
        """Return the distinct test reports, sorted, so that nothing reveals which recording one belongs to."""
        texts: dict[str, str] = {}
        for report in self._data.reports[self._rows.rows["test"]]:
            key = report_key(report)
            texts[key] = min(report, texts.get(key, report))
        return [texts[key] for key in sorted(texts) if key]

    def subset(self, fraction: float, seed: int, rule: str = "patients") -> tuple[np.ndarray, dict[str, Any]]:
        """Draw the labelled part of train, and keep its manifest so that it can be used elsewhere.

        Returns ascending positions in train, and a summary of them as JSON. `rule` is "patients" (see `draw`),
        "recordings" (drawn evenly, without regard to patients and labels) or "merl", which draws as MERL's code does
        from its files.
        """
        check_choice("a label subset", "rule", rule, SUBSET_RULES)
        ids = self._data.record_ids[self._rows.rows["train"]]
        return self._keep(self._draw(rule, ids, fraction, seed), ids, f"{fraction:g}")

    def first_of_each_class(self, count: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw `count` examples of every class from train, and keep their manifest as `subset` does."""
        rows = self._rows.rows["train"]
        ids, patients = self._data.record_ids[rows], self._data.patient_ids[rows]
        subset = first_of_each_class(ids, patients, self._rows.labels["train"], self.classes, count, seed)
        return self._keep(subset, ids, f"{count}-of-each")

    def _keep(self, subset: Subset, ids: Sequence[str], size: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Keep the manifest of a subset; return its rows and its summary."""
        name = f"{self.dataset}-{self.label_set}-{size}-seed{subset.seed}-{subset.digest}.json"
        keep_json(self._inputs.home.subsets / name, subset.manifest(ids), notes_to(self.on_event))
        return subset.rows, subset.summary()

    def _draw(self, rule: str, ids: Sequence[str], fraction: float, seed: int) -> Subset:
        labels, classes = self._rows.subset_labels()
        if rule == "merl":
            return merl_subset(self.dataset, self.label_set, ids, labels, classes, fraction)
        if rule == "recordings":
            return draw_recordings(ids, labels, classes, fraction, seed)
        patients = self._data.patient_ids[self._rows.rows["train"]]
        return draw(ids, patients, labels, classes, fraction, seed)

    # --- what the method makes of recordings ---

    def features(self, split: str, layer: Layer = "features", positions: np.ndarray | None = None) -> np.ndarray:
        """Return ``(recording, dim)`` float32 in the order of `labels`, or at `positions`, from the cache."""
        matrix, rows = self._read_features(split, layer, positions)
        return matrix[rows]

    def features_without(self, lead: str, split: str, layer: Layer = "features") -> np.ndarray:
        """Return `features` of the recordings of a split with one lead hidden; it reads 0 mV before any filter."""
        condition = SignalCondition(leads=tuple(name for name in LEADS if name != lead), splits="all")
        rows = np.sort(self._rows.rows[split])
        data, folder = ConditionedDataset(self._read_as(split), condition), self._inputs.home.features
        features = cached_features(self._handle, layer, data, rows, folder, self.on_event)
        return np.asarray(features[np.searchsorted(rows, self._rows.rows[split])])

    def tokens(self, split: str, layer: Layer = "sequence", positions: np.ndarray | None = None) -> Sequences:
        """Return token sequences in the order of `labels`, or those at `positions`; they stay on disk, in the cache."""
        if layer not in SEQUENCES:
            raise UsageError(f"the layer {layer!r} is no sequence of tokens; sequences are {', '.join(SEQUENCES)}")
        matrix, rows = self._read_features(split, layer)
        return Sequences(matrix, rows if positions is None else rows[positions])

    def signals(self, split: str, spec: SignalSpec, positions: np.ndarray | None = None) -> SplitSignals:
        """Return the recordings of a split (those at `positions`) in the form of `spec`; with labels unless test."""
        rows, labels = self._rows.rows[split], self._rows.labels.get(split)
        indices = np.arange(len(rows)) if positions is None else positions
        return SplitSignals(self._read_as(split), rows[indices], None if labels is None else labels[indices], spec)

    def _read_features(
        self, split: str, layer: Layer, positions: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of one pass over the signals, and the rows in them of the split or of its `positions`."""
        members, rows = self._rows.rows[split], self._pass_over(split, layer)
        if positions is not None:
            members = members[positions]
            rows = rows if self._serves_others(split, layer, rows) else self._pass_over_few(members)
        folder = self._inputs.home.features
        features = cached_features(self._handle, layer, self._read_as(split), rows, folder, self.on_event)
        self._passes.add((layer, Path(str(features.filename))))
        return features, np.searchsorted(rows, members)

    def _serves_others(self, split: str, layer: Layer, rows: np.ndarray) -> bool:
        """Whether other splits or other cells need a pass over `rows`: it covers all splits, or is in the cache."""
        if len(rows) == len(self._extracted):
            return True
        return are_cached(self._handle, layer, self._read_as(split), rows, self._inputs.home.features)

    def _pass_over_few(self, members: np.ndarray) -> np.ndarray:
        """Return the rows of a pass for a few recordings: the examples of all cells of the group, else these alone."""
        examples = self._inputs.examples
        return examples if examples is not None and np.isin(members, examples).all() else np.unique(members)

    def _read_as(self, split: str) -> PreparedDataset:
        """Return the recordings of a split under this cell's signal condition."""
        return self._perturbed if self._condition.holds(split) else self._data

    def _pass_over(self, split: str, layer: Layer) -> np.ndarray:
        """Return the rows of one pass over the signals: all of them, or those of the split.

        It is those of the split where the condition is for test alone, for embeddings, since zero-shot and retrieval
        read no other split, and where the task learns from another dataset. Rotations share one pass over all for what
        they learn from.
        """
        test_alone = self._condition.holds(split) and not self._condition.holds("train")
        if self._inputs.is_rotation:
            predicted = test_alone or (layer == "embeddings" and split == "test")
            return np.sort(self._rows.rows[split]) if predicted else self._extracted
        if test_alone or layer == "embeddings" or self._inputs.source_dataset is not None:
            return self._extracted[self._data.splits[self._extracted] == split]
        return self._extracted

    # --- training ---

    def fresh_method(self, seed: int) -> Method:
        """Build a separate method that may be changed: with the cell's weights, else with random ones from `seed`."""
        return self._handle.fresh(self._seed_of_member(seed))

    def _seed_of_member(self, seed: int) -> int:
        """Return a task's seed as this member of the row uses it, so that equal questions to others train otherwise."""
        member = self._inputs.training_seed
        return int(digest([seed, member], 8), 16) if member else seed

    def train_and_choose(
        self,
        method: SupervisedMethod,
        rows: np.ndarray,
        options: Mapping[str, Any],
        val_score: Callable[[np.ndarray], float],
        groups: list[dict[str, Any]] | None = None,
        resumable: bool = False,
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        """Train on `rows` of train and keep the best epoch; see `benchmark.engine.supervised`."""
        options = {**(self._inputs.training or {}), **options}
        options["seed"] = self._seed_of_member(options.get("seed", 0))
        return supervised.train_and_choose(self, method, rows, options, val_score, groups, resumable)

    # --- where work is kept, and how far it is ---

    def scratch(self, name: str) -> Path | None:
        """Return the folder in which this cell may keep its state for a restart; None where nothing is kept."""
        return self._inputs.scratch / name if self._inputs.scratch else None

    def decoder_file(self, recipe: Mapping[str, Any]) -> Path:
        """Return the file that shares a decoder trained by `recipe` on the cell's train and val with other cells."""
        rows = [list(map(int, self._rows.rows[split])) for split in ("train", "val")]
        read = self._condition.to_json() if self._condition.holds("train") else None
        data = [self._data.digest, read, digest(rows)]
        parts = [self._handle.identity, self._handle.precision, data, dict(recipe)]
        return self._inputs.home.decoders / f"{self._handle.name}-{digest(parts)}.pt"

    def progress(self, text: str, done: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Report how far the work is."""
        self.on_event(Event("step", text, done, total, dict(values or {})))
