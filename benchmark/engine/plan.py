"""Suite -> cells: every question of the grid once, minus the impossible ones, each with its reason."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from benchmark.api import Dataset, Method, SupervisedMethod, Task, TrainableMethod
from benchmark.canonical import canonical, digest, file_sha256
from benchmark.configuration import distinct
from benchmark.engine.records import RunSpec
from benchmark.engine.store import Store
from benchmark.engine.suites import DatasetBlock, MethodBlock, Suite, TaskBlock
from benchmark.engine.training import TrainingConfig
from benchmark.errors import BenchmarkError, MissingError, UsageError, did_you_mean, no_label_set, raise_all
from benchmark.paths import Home
from benchmark.registry import DATASETS, METHODS, TASKS


@dataclass(frozen=True)
class Cell:
    """A spec, and what is known of it beside its key: its leaderboard row, all fields of its task, its weights."""

    spec: RunSpec
    row: str
    question: dict[str, Any]  # the task's fields, those at their defaults too
    weights_file: str | None = None

    @property
    def title(self) -> str:
        """``merl linear_probe ptbxl/super fraction=0.01 seed=3 trials=16``"""
        fields = (f"{key}={value}" for key, value in self.question.items())
        return " ".join([self.row, self.spec.task, f"{self.spec.dataset}/{self.spec.label_set}", *fields])


@dataclass(frozen=True)
class Skip:
    row: str
    task: str
    reason: str


@dataclass
class Job:
    """Cells that share a method with its weights and a dataset: one model load, one pass over the signals."""

    cells: list[Cell]

    @property
    def title(self) -> str:
        return f"{self.cells[0].row} on {self.cells[0].spec.dataset}"

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(cell) for cell in self.cells]

    @classmethod
    def from_json(cls, cells: list[dict[str, Any]]) -> Job:
        return cls([Cell(**{**cell, "spec": RunSpec(**cell["spec"])}) for cell in cells])


@dataclass
class Plan:
    """All cells of a suite, by state, and what was skipped."""

    suite: Suite
    cells: list[Cell]
    skipped: list[Skip]
    done: list[Cell] = field(default_factory=list)
    failed: list[Cell] = field(default_factory=list)
    todo: list[Cell] = field(default_factory=list)

    def sort_by_state(self, store: Store, digests: dict[str, str] | None = None) -> Plan:
        """Split the cells by what the store holds; `digests` (dataset -> digest) makes other data's records stale."""
        self.done, self.failed, self.todo = [], [], []
        for cell in self.cells:
            record = store.get(cell.spec)
            known = (digests or {}).get(dataset_key(cell.spec))
            stale = record is not None and record.done and known is not None and record.data_digest != known
            if record is None or stale:
                self.todo.append(cell)
            else:
                (self.done if record.done else self.failed).append(cell)
        return self

    def jobs(self, cells: list[Cell]) -> list[Job]:
        """Group cells that can share their method and features, in the order of the suite."""
        groups: dict[str, list[Cell]] = {}
        for cell in cells:
            spec = cell.spec
            shared = (spec.method, spec.method_config, spec.weights, spec.pretraining, spec.training, spec.limit)
            groups.setdefault(digest([*shared, spec.dataset, spec.dataset_config]), []).append(cell)
        return [Job(group) for group in groups.values()]


def dataset_key(spec: RunSpec) -> str:
    return digest([spec.dataset, spec.dataset_config])


def make_plan(
    suite: Suite, methods: Collection[str] = (), tasks: Collection[str] = (), limit: int | None = None
) -> Plan:
    """Lay out the grid. Every mistake in the suite's names and options is reported at once."""
    _check_choice("methods", methods, [method.row for method in suite.methods])
    _check_choice("tasks", tasks, [task.name for task in suite.tasks])
    cells: dict[str, Cell] = {}
    skipped: list[Skip] = []
    problems: list[str] = []
    missing = False
    for method in suite.methods:
        if methods and method.row not in methods:
            continue
        for task in suite.tasks:
            if tasks and task.name not in tasks:
                continue
            try:
                reason = TASKS.get(task.name).cannot(METHODS.get(method.name))
                if reason:
                    skipped.append(Skip(method.row, task.name, reason))
                    continue
                found = list(_cells(suite, method, task, limit))
            except BenchmarkError as error:
                missing = missing or isinstance(error, MissingError)
                problems += [str(error)] if str(error) not in problems else []
                continue
            for cell in found:
                other = cells.setdefault(cell.spec.key, cell)
                if other.row != cell.row:
                    problems.append(f"the rows {other.row!r} and {cell.row!r} ask the same question; remove one")
                    break
    raise_all(problems, f"the suite {suite.name} cannot be planned:", MissingError if missing else UsageError)
    return Plan(suite, list(cells.values()), skipped)


def _check_choice(what: str, chosen: Collection[str], known: list[str]) -> None:
    wrong = [f"the suite has no {name!r}{did_you_mean(name, known)}" for name in chosen if name not in known]
    raise_all(wrong, f"--{what}:")


def _cells(suite: Suite, method: MethodBlock, task: TaskBlock, limit: int | None) -> Iterator[Cell]:
    method_class: type[Method] = METHODS.get(method.name)
    task_class: type[Task] = TASKS.get(task.name)
    weights = _weights_digest(method)
    for dataset in suite.datasets:
        dataset_class: type[Dataset] = DATASETS.get(dataset.name)
        base = RunSpec(
            method=method.name,
            method_version=method_class.card.version,
            method_config=distinct(method_class, method.config, f"method {method.row}"),
            task=task.name,
            task_version=task_class.version,
            task_config={},
            dataset=dataset.name,
            dataset_version=dataset_class.card.version,
            dataset_config=distinct(dataset_class, dataset.config, f"dataset {dataset.name}"),
            label_set="",
            weights=weights,
            pretraining=_recipe(suite, method, method_class, limit),
            training=_training(method, method_class),
            limit=limit,
        )
        for label_set in _label_sets(dataset, dataset_class, task):
            for question in expand(task_class, task.config, f"task {task.name}"):
                fields = canonical(asdict(question))  # type: ignore[call-overload]
                asked = distinct(task_class, fields, f"task {task.name}")
                inputs = question.inputs(dataset.name, label_set, tuple(dataset_class.label_sets[label_set]))
                spec = replace(base, label_set=label_set, task_config=asked, task_inputs=inputs)
                yield Cell(spec, method.row, fields, method.weights)


def expand(task_class: type[Task], config: dict[str, Any], where: str) -> Iterator[Task]:
    """The grid of a task: the product over all fields that got a list; equal questions appear once."""
    known = {entry.name: entry for entry in fields(task_class)}  # type: ignore[arg-type]
    wrong = [f"{where} has no field {name!r}{did_you_mean(name, known)}" for name in config if name not in known]
    raise_all(wrong, f"the configuration of {where} is wrong:")
    values = [value if isinstance(value, list) else [value] for value in config.values()]
    seen = set()
    for combination in itertools.product(*values):
        question = task_class(**dict(zip(config, combination, strict=True))).simplest()
        if question not in seen:
            seen.add(question)
            yield question


def _label_sets(dataset: DatasetBlock, dataset_class: type[Dataset], task: TaskBlock) -> list[str]:
    known = dataset_class.label_sets
    wrong = [
        no_label_set(dataset.name, name, known)
        for name in [*dataset.label_sets, *(task.label_sets or [])]
        if name not in known
    ]
    raise_all(wrong, "label_sets:")
    return [name for name in dataset.label_sets if task.label_sets is None or name in task.label_sets]


def _weights_digest(method: MethodBlock) -> str | None:
    if method.weights is None:
        return None
    from pathlib import Path

    path = Path(method.weights)
    if not path.is_file():
        raise MissingError(f"the weights of {method.row} are missing: {path} is no file")
    return file_sha256(path)


def _training(method: MethodBlock, method_class: type[Method]) -> dict[str, Any] | None:
    if not issubclass(method_class, SupervisedMethod):
        if method.training is not None:
            raise UsageError(f"{method.row} is not trained on labels; it takes no 'training'")
        return None
    return distinct(TrainingConfig, method.training or {}, f"training of {method.row}")


def _recipe(suite: Suite, method: MethodBlock, method_class: type[Method], limit: int | None) -> dict[str, Any] | None:
    if method.pretrain is None:
        return None
    if method.weights is not None:
        raise UsageError(f"{method.row} has both 'weights' and 'pretrain'; keep one")
    options = dict(method.pretrain)
    dataset = options.pop("dataset", None)
    if dataset is None:
        raise UsageError(f"the pretrain table of {method.row} names no dataset")
    configs = {block.name: block.config for block in suite.datasets}
    return recipe(
        method.row, method_class, dataset, options.pop("dataset_config", configs.get(dataset, {})), options, limit
    )


def recipe(
    row: str,
    method_class: type[Method],
    dataset: str,
    dataset_config: dict[str, Any],
    options: dict[str, Any],
    limit: int | None = None,
) -> dict[str, Any]:
    """What makes weights: dataset and training options; part of the key of every cell that uses them."""
    if issubclass(method_class, SupervisedMethod) or not issubclass(method_class, TrainableMethod):
        raise UsageError(f"{row} cannot be pre-trained; remove its 'pretrain'")
    dataset_class = DATASETS.get(dataset)
    return {
        "dataset": dataset,
        "dataset_version": dataset_class.card.version,
        "dataset_config": distinct(dataset_class, dataset_config, f"dataset {dataset}"),
        "training": distinct(TrainingConfig, options, f"pretrain of {row}"),
        "limit": limit,
    }


def data_digests(plan: Plan, home: Home) -> dict[str, str]:
    """Digests of the plan's datasets that are prepared; those that are not have no entry."""
    from benchmark.data.preparation import open_dataset

    digests = {}
    for spec in {dataset_key(cell.spec): cell.spec for cell in plan.cells}.values():
        try:
            digests[dataset_key(spec)] = open_dataset(spec.dataset, spec.dataset_config, home).digest
        except MissingError:
            continue
    return digests
