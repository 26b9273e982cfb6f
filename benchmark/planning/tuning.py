"""Equal tuning as a protocol: which rows of a suite are tuned, over which trials, and what their budget is.

All tuned rows of a suite share the number of trials, the rungs of successive halving, the sampler, its seed and what
chooses. The identity of a row's tuning is the digest of everything that shapes it. A choice that was made under another
identity is refused.

Successive halving (Jamieson and Talwalkar, AISTATS 2016) is synchronous here: every trial trains for the first rung,
the best of them train for the next. Each rung is a training of its own, from scratch with a whole schedule, because a
schedule that is cut is not a schedule that ends.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.api import REPORTS, Method
from benchmark.canonical import digest
from benchmark.errors import BenchmarkError, UsageError, did_you_mean, raise_all
from benchmark.planning.blocks import find_method, method_config, recipe_of
from benchmark.planning.pretrained import weights_folder
from benchmark.planning.search_space import Parameter, own_values, parameters, space_problems, with_values
from benchmark.planning.suites import MethodBlock, Suite, TuneBlock
from benchmark.planning.training_config import TrainingConfig
from benchmark.registry import DATASETS, METHODS

VERSION = 1  # raise it when equal tables would be tuned otherwise
SEED = 1000  # added to the seed of the table, so that no training of a trial is a final one
LENGTH = ("epochs", "steps", "min_steps", "seed")  # options of the final training that no trial has
FRACTION = 0.1  # of the training labels, for the probe that chooses
PROBE_TRIALS = 16  # settings that the probe searches
MEASURES = {
    "val_labels": "macro AUROC of the 10 % linear probe on validation",
    "val_loss": "loss on the validation split of the pre-training data",
    "val_retrieval": "recall at 10 between recordings and reports of the validation split",
}


@dataclass(frozen=True)
class Place:
    """A label set whose training and validation labels choose."""

    dataset: str
    config: dict[str, Any]
    label_set: str

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.label_set}"


@dataclass(frozen=True)
class TrialTraining:
    """The training of a trial at one rung: what `benchmark.engine.pretraining.pretrain` takes."""

    method: str
    version: int
    config: dict[str, Any]
    recipe: dict[str, Any]
    steps: int
    recordings: int

    @property
    def folder(self) -> str:
        return weights_folder(self.method, self.version, self.config, self.recipe)


@dataclass(frozen=True)
class RowTuning:
    """The tuning of one row of a suite."""

    suite: Suite
    block: MethodBlock
    table: TuneBlock
    space: tuple[Parameter, ...]
    places: tuple[Place, ...]
    own: dict[str, Any] | None  # the row's own values, which are the first trial; None where the space excludes them

    @property
    def row(self) -> str:
        return self.block.row

    @property
    def maximise(self) -> bool:
        return self.table.choose != "val_loss"

    @property
    def seed(self) -> int:
        """Return the seed of every training and of the probe's label subset."""
        return SEED + self.table.seed

    @functools.cached_property
    def digest(self) -> str:
        """Return the identity of the tuning."""
        return identity(self.suite, self.block)

    @property
    def sizes(self) -> list[int]:
        """Return how many trials each rung has."""
        sizes = [self.table.trials]
        for _ in self.table.rungs[1:]:
            sizes.append(math.ceil(sizes[-1] / self.table.reduction))
        return sizes

    def training(self, values: Mapping[str, Any], rung: int) -> TrialTraining:
        """Return the training of a trial; raise `UsageError` where its values cannot be combined."""
        block = with_values(self.block, values)
        pretrain = {name: value for name, value in (block.pretrain or {}).items() if name not in LENGTH}
        steps, recordings = self._length(pretrain, rung)
        block = block.model_copy(update={"pretrain": {**pretrain, "steps": steps, "seed": self.seed}})
        recipe = recipe_of(self.suite, block)
        assert recipe is not None
        version = METHODS.get(block.name).card.version
        return TrialTraining(block.name, version, method_config(block), recipe, steps, recordings)

    def _length(self, pretrain: Mapping[str, Any], rung: int) -> tuple[int, int]:
        """Return the steps of a training and the recordings that it reads."""
        per_step = recordings_per_step(pretrain)
        length = self.table.rungs[rung]
        steps = length if self.table.unit == "steps" else max(length // per_step, 1)
        return steps, steps * per_step

    def cost(self) -> dict[str, int]:
        """Return how many trainings the whole tuning has, their steps, and the recordings that they read."""
        lengths = [self._length(self.block.pretrain or {}, rung) for rung in range(len(self.table.rungs))]
        return {
            "trainings": sum(self.sizes),
            "steps": sum(size * steps for size, (steps, _) in zip(self.sizes, lengths, strict=True)),
            "recordings": sum(size * count for size, (_, count) in zip(self.sizes, lengths, strict=True)),
        }

    @property
    def datasets(self) -> list[tuple[str, dict[str, Any]]]:
        """Return name and options of every dataset that a trial reads."""
        from benchmark.records.spec import datasets_of_recipe

        recipe = self.training(self.own or {}, 0).recipe
        return [*datasets_of_recipe(recipe), *((place.dataset, place.config) for place in self.places)]

    @property
    def measure(self) -> str:
        """Return what chooses, in the words of tables."""
        places = [place.name for place in self.places]
        over = "" if not places else f" of {places[0]}" if len(places) == 1 else f", mean over {', '.join(places)}"
        return MEASURES[self.table.choose] + over


def recordings_per_step(training: Mapping[str, Any]) -> int:
    """Return how many recordings an optimiser step reads, by the options of a training."""
    return int(training.get("batch_size", TrainingConfig.batch_size) * training.get("accumulate", 1))


def identity(suite: Suite, block: MethodBlock) -> str:
    """Return the digest of everything that shapes the tuning of a row; its label and its own length are no part."""
    assert suite.tune is not None and block.tune is not None
    pretrain = {name: value for name, value in (block.pretrain or {}).items() if name not in LENGTH}
    configs = {dataset.name: dataset.config for dataset in suite.datasets}
    places = [vars(place) for place in _places(suite)]
    shape = [block.name, block.config, pretrain, block.tune.space, configs.get(str(pretrain.get("dataset")), {})]
    return digest(
        [VERSION, *shape, suite.tune.model_dump(exclude={"label_sets"}), places, *_chosen_on(suite, pretrain)]
    )


def _chosen_on(suite: Suite, pretrain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the options of the datasets by whose labels a training chooses its epoch, where there are such options."""
    places = pretrain.get("select_on")
    names = {str(place).partition("/")[0] for place in places} if isinstance(places, list) else set()
    names -= {pretrain.get("dataset")}
    configs = {block.name: block.config for block in suite.datasets if block.name in names and block.config}
    return [configs] if configs else []


def _places(suite: Suite) -> list[Place]:
    """Return the label sets that choose."""
    assert suite.tune is not None
    if suite.tune.choose != "val_labels":
        return []
    places = [Place(block.name, block.config, name) for block in suite.datasets for name in block.label_sets]
    names = suite.tune.label_sets
    if names is not None:
        return [place for place in places if place.name in names]
    return [place for place in places if place.label_set != REPORTS and not _is_unjudged(place)]


def _is_unjudged(place: Place) -> bool:
    """Whether a label set is a number of each recording, or has unknown labels: the judge learns neither."""
    dataset = DATASETS.get(place.dataset)
    return place.label_set in dataset.targets or place.label_set in dataset.sparse_label_sets


def tunings(suite: Suite, rows: Collection[str] = ()) -> list[RowTuning]:
    """Return the tuning of every tuned row, or of those in `rows`; raise for rows that are not tuned."""
    blocks = {block.row: block for block in suite.methods if block.tune is not None}
    raise_all([_untunable(suite, row, blocks) for row in rows if row not in blocks], "--methods:")
    raise_all(list(map(str, tuning_errors(suite, rows))), f"the suite {suite.name} cannot be tuned:")
    return [tuning_of(suite, block) for row, block in blocks.items() if not rows or row in rows]


def _untunable(suite: Suite, row: str, blocks: Collection[str]) -> str:
    if row in {block.row for block in suite.methods}:
        return f"{row!r} has no 'tune' table{did_you_mean(row, blocks)}"
    return f"the suite has no row {row!r} to tune{did_you_mean(row, blocks)}"


def tuning_errors(suite: Suite, rows: Collection[str] = ()) -> list[BenchmarkError]:
    """Return what keeps tuned rows from being tuned: those in `rows`, or all."""
    return [error for block in suite.methods if not rows or block.row in rows for error in _errors(suite, block)]


def _errors(suite: Suite, block: MethodBlock) -> list[BenchmarkError]:
    try:
        check_tuning(suite, block)
    except BenchmarkError as error:
        return [error]
    return []


def tuning_of(suite: Suite, block: MethodBlock) -> RowTuning:
    """Return the tuning of a row that was checked."""
    assert suite.tune is not None
    method_class: type[Method] = find_method(block.name, block.python)
    space = parameters(block, method_class)
    own = own_values(block, method_class, space)
    return RowTuning(suite, block, suite.tune, tuple(space), tuple(_places(suite)), own)


def check_tuning(suite: Suite, block: MethodBlock) -> None:
    """Raise one `UsageError` with everything that keeps a row from being tuned; do nothing for a row that is not."""
    if block.tune is None:
        return
    if suite.tune is None:
        raise UsageError(f"{block.row} has a 'tune' table, but the suite has no [tune] with trials, rungs and choose")
    problems = [*table_problems(suite), *space_problems(block, find_method(block.name, block.python), suite.tune)]
    raise_all(problems, f"tune of {block.row}:")


def table_problems(suite: Suite) -> list[str]:
    """Return a sentence for everything that is wrong in the table that all tuned rows share."""
    table = suite.tune
    assert table is not None
    problems = []
    if table.rungs[0] < 1 or any(after <= before for before, after in zip(table.rungs, table.rungs[1:], strict=False)):
        problems.append(f"rungs must be positive and ascend, they are {table.rungs}")
    if table.choose == "val_labels":
        problems += _label_set_problems(suite)
    elif table.label_sets is not None:
        problems.append(f"choose = {table.choose!r} reads no labels; remove label_sets")
    return problems


def _label_set_problems(suite: Suite) -> list[str]:
    assert suite.tune is not None
    label_sets = [
        f"{block.name}/{name}"
        for block in suite.datasets
        for name in block.label_sets
        if name != REPORTS and not _is_unjudged(Place(block.name, block.config, name))
    ]
    names = suite.tune.label_sets
    if names == []:
        return ["label_sets is an empty list: nothing would choose"]
    if names is not None:
        return [
            f"label_sets: the suite has no {name!r}{did_you_mean(name, label_sets)}"
            for name in names
            if name not in label_sets
        ]
    return [] if _places(suite) else ["choose = 'val_labels' needs a label set, and the suite has none"]
