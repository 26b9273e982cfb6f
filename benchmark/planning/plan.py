"""The plan of a suite: every question of its grid once, without the impossible ones, which have a reason each."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmark.api import Dataset, Method, Task
from benchmark.canonical import canonical, digest
from benchmark.configuration import distinct
from benchmark.data.signals.conditions import SignalCondition
from benchmark.errors import BenchmarkError, MissingError, UsageError, did_you_mean, raise_all
from benchmark.planning.blocks import (
    block_errors,
    check_rate,
    conditions_of,
    dataset_config,
    expand,
    find_method,
    label_sets_of,
    method_config,
    recipe_of,
    source_of,
    training_of,
    training_seed_of,
)
from benchmark.planning.choices import with_choices
from benchmark.planning.members import members
from benchmark.planning.pretrained import weights_folder
from benchmark.planning.skips import ALL_TASKS, Skip, SkipReasons, skip_reasons, skips, unmet_label_sets
from benchmark.planning.suites import MethodBlock, Suite, TaskBlock
from benchmark.planning.tuning import tuning_errors
from benchmark.planning.weights import absence, locate
from benchmark.records.spec import RunSpec
from benchmark.registry import DATASETS, METHODS, TASKS


@dataclass(frozen=True)
class Cell:
    """A spec with facts outside its key: its leaderboard row, all fields of its task, its weights."""

    spec: RunSpec
    row: str
    question: dict[str, Any]  # the task's fields, those at their defaults too
    weights_file: str | None = None
    trained_on: list[str] | None = None  # what those weights saw, as the suite says
    python: str | None = None  # the interpreter in which the method runs, if not this one
    weights_folder: str | None = None  # of weights made here: its name in the home's `pretrained`
    is_baseline: bool = False
    member: int | None = None  # the seed of this training, where the row has several

    @property
    def title(self) -> str:
        """Return the name of a cell in messages: ``merl linear_probe ptbxl/super fraction=0.01 seed=3 trials=16``."""
        fields = [f"{key}={value}" for key, value in self.question.items()]
        if self.member is not None:
            fields.insert(0, f"training={self.member}")
        if self.spec.signal is not None:
            fields.append(f"signal={self.condition}")
        return " ".join([self.row, self.spec.task, f"{self.spec.dataset}/{self.spec.label_set}", *fields])

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "spec": self.spec.to_json()}

    @property
    def condition(self) -> str:
        """Return the condition under which signals are read: ``as recorded``, ``leads I, II``."""
        return SignalCondition.from_json(self.spec.signal).title


@dataclass(frozen=True)
class CellGroup:
    """Cells that share a method with its weights and a dataset: one model load, one pass over the signals."""

    cells: list[Cell]

    @property
    def title(self) -> str:
        return f"{self.cells[0].row} on {self.cells[0].spec.dataset}"

    def to_json(self) -> list[dict[str, Any]]:
        return [cell.to_json() for cell in self.cells]

    @classmethod
    def from_json(cls, cells: list[dict[str, Any]]) -> CellGroup:
        return cls([Cell(**{**cell, "spec": RunSpec(**cell["spec"])}) for cell in cells])


@dataclass(frozen=True)
class TaskFacts:
    """Facts about a task that tables need, so that they do not import it."""

    primary: str
    protocol: str
    grid_metrics: tuple[str, ...] = ()
    higher_is_better: bool = True

    @classmethod
    def of(cls, task: type[Task]) -> TaskFacts:
        return cls(task.primary, task.protocol, tuple(task.grid_metrics), task.higher_is_better)


@dataclass(frozen=True)
class Plan:
    """All cells of a suite, each once, and what was skipped. `planning.standing` says where the cells stand."""

    suite: Suite
    cells: tuple[Cell, ...]
    skips: tuple[Skip, ...]
    tasks: Mapping[str, TaskFacts]
    arguments: tuple[str, ...] = ()  # the suite as the user gave it: its name or path, and ``--set`` options
    part: tuple[str, ...] = ()  # ``--methods`` and ``--tasks`` as given, where they leave out a part of the suite
    untuned: Mapping[str, str] = field(default_factory=dict)  # why tuned rows of the part have no cell, by row
    changes: tuple[str, ...] = ()  # of collected records: what the suite's file asks otherwise since

    @property
    def limit(self) -> int | None:
        """Return the number of recordings per split; None for all."""
        return self.cells[0].spec.limit if self.cells else None

    @property
    def rows_without_weights(self) -> list[Skip]:
        """Rows that have no cell, because their weights are not on this machine."""
        return [skip for skip in self.skips if skip.task == ALL_TASKS]

    def command(self, verb: str, *options: str) -> str:
        """Return the shell command that reaches this suite again: ``ecgarena run path/to/suite.toml --set a=1 ...``."""
        return shlex.join(["ecgarena", verb, *(self.arguments or (self.suite.name,)), *options])


def group_cells(cells: Iterable[Cell]) -> list[CellGroup]:
    """Group cells that can share their method and features, in the order of the suite."""
    cells = list(cells)  # alive throughout, so that no two objects share an id
    groups: dict[str, list[Cell]] = {}
    digests: dict[tuple[int, ...], str] = {}
    for cell in cells:
        spec = cell.spec
        method = (spec.method, spec.method_config, spec.weights, spec.pretraining, spec.training, spec.training_seed)
        whole = (*method, spec.limit, spec.dataset, spec.dataset_config)
        same = tuple(map(id, whole))  # the cells of a method hold the same objects: a digest each would be a waste
        if same not in digests:
            digests[same] = digest(list(whole))
        groups.setdefault(digests[same], []).append(cell)
    return [CellGroup(group) for group in groups.values()]


def make_plan(
    suite: Suite,
    methods: Collection[str] = (),
    tasks: Collection[str] = (),
    limit: int | None = None,
    arguments: Collection[str] = (),
) -> Plan:
    """Lay out the grid. Every mistake in the suite's names and options is reported at once."""
    errors_of_tuning = tuning_errors(suite, methods)
    original, choices = suite, with_choices(suite, arguments)
    suite = choices.suite
    floors = _floors(suite)
    rivals = [*suite.methods, *floors]
    _check_choice("methods", methods, [method.row for method in rivals])
    task_names = [task.name for task in suite.tasks]
    _check_choice("tasks", tasks, task_names)
    cells: dict[str, Cell] = {}
    skip_list: list[Skip] = []
    errors = [*block_errors(suite, methods, tasks), *errors_of_tuning, *_taken_names(suite, floors)]
    problems = list(dict.fromkeys(map(str, errors)))
    missing = any(isinstance(error, MissingError) for error in errors)
    per_task = [_Questions(task) for task in suite.tasks]
    for task in suite.tasks:
        skip_list += unmet_label_sets(suite, task) if not tasks or task.name in tasks else []
    for method in rivals:
        if methods and method.row not in methods:
            continue
        if reason := choices.reason_of(method.row):
            skip_list.append(Skip(method.row, ALL_TASKS, reason))
            continue
        try:
            find_method(method.name, method.python)
        except BenchmarkError as error:
            missing = missing or isinstance(error, MissingError)
            problems += [str(error)] if str(error) not in problems else []
            continue
        for task, questions in zip(suite.tasks, per_task, strict=True):
            if (tasks and task.name not in tasks) or not _takes_part(suite, method, task):
                continue
            try:
                laid_out, reasons = _cells(suite, method, task, questions, limit)
            except BenchmarkError as error:
                missing = missing or isinstance(error, MissingError)
                problems += [str(error)] if str(error) not in problems else []
                continue
            skip_list += reasons
            for cell in laid_out:
                other = cells.setdefault(cell.spec.key, cell)
                if other.row != cell.row:
                    problems.append(f"the rows {other.row!r} and {cell.row!r} ask the same question; remove one")
                    break
    raise_all(problems, f"the suite {suite.name} cannot be planned:", MissingError if missing else UsageError)
    facts = {name: TaskFacts.of(TASKS.get(name)) for name in dict.fromkeys(cell.spec.task for cell in cells.values())}
    part = chosen_part(methods, [method.row for method in rivals], tasks, task_names)
    untuned = {row: reason for row, reason in choices.untuned.items() if not methods or row in methods}
    return Plan(
        original, tuple(cells.values()), tuple(dict.fromkeys(skip_list)), facts, tuple(arguments), part, untuned
    )


def _floors(suite: Suite) -> list[MethodBlock]:
    """Return the baselines that the tasks want in their tables and that the suite does not name."""
    names: dict[str, None] = {}
    for task in suite.tasks:
        with suppress(BenchmarkError):  # a task that cannot be imported is reported where its cells are laid out
            names |= dict.fromkeys(TASKS.get(task.name).baselines)
    present = {method.name for method in suite.methods}
    return [MethodBlock(name=name) for name in names if name not in present]


def _taken_names(suite: Suite, floors: Collection[MethodBlock]) -> list[BenchmarkError]:
    """Return an error for each row that is called like a baseline which a task adds: one row would show both."""
    rows = {method.row: method.name for method in suite.methods}
    return [
        UsageError(
            f"the row {floor.row!r} ({rows[floor.row]}) is called like a baseline of a task; give it another label"
        )
        for floor in floors
        if floor.row in rows
    ]


def _takes_part(suite: Suite, method: MethodBlock, task: TaskBlock) -> bool:
    """Whether a row is asked a task's questions: a baseline that a task adds is for that task alone."""
    return method in suite.methods or method.name in TASKS.get(task.name).baselines


def _check_choice(kind: str, choice: Collection[str], choices: list[str]) -> None:
    wrong = [f"the suite has no {name!r}{did_you_mean(name, choices)}" for name in choice if name not in choices]
    raise_all(wrong, f"--{kind}:")


def chosen_part(
    methods: Collection[str], rows: Collection[str], tasks: Collection[str], names: Collection[str]
) -> tuple[str, ...]:
    """Return the options that choose these methods and tasks of a suite; empty where they leave nothing out."""
    parts = (("--methods", methods, rows), ("--tasks", tasks, names))
    return tuple(word for option, some, all_ in parts if some and set(all_) - set(some) for word in (option, *some))


class _Questions:
    """The grid of a task block, laid out once, since it is the same for all methods."""

    def __init__(self, task: TaskBlock) -> None:
        self.task = task

    @functools.cached_property
    def grid(self) -> list[tuple[Task, dict[str, Any], dict[str, Any]]]:
        """Return each question, all its fields, and those that differ from their defaults."""
        where, task_class = f"task {self.task.name}", TASKS.get(self.task.name)
        grid_cells = []
        for question in expand(task_class, self.task.config, where):
            values = canonical(asdict(question))  # type: ignore[call-overload]
            grid_cells.append((question, values, distinct(task_class, values, where)))
        return grid_cells


def _cells(
    suite: Suite, method: MethodBlock, task: TaskBlock, questions: _Questions, limit: int | None
) -> tuple[list[Cell], list[Skip]]:
    """Lay out the cells of a row and a task, and the reasons for those that are skipped."""
    places = [(block.name, name) for block in suite.datasets for name in label_sets_of(block, task)]
    reasons = skip_reasons((question for question, _, _ in questions.grid), method.name, places)
    skip_list = skips(method.row, task.name, reasons, places)
    if len(reasons) == len(questions.grid) * len(places):
        return [], skip_list  # weights that no cell will use may be missing
    card = METHODS.get(method.name).card
    if method.weights and method.if_absent == "skip" and (reason := absence(method.weights, method.name, card)):
        return [], [Skip(method.row, ALL_TASKS, reason)]
    file, weights = locate(method.weights, method.name, card) if method.weights else (None, None)
    cell_fields = list(_cell_fields(suite, task, questions, reasons))
    cells = []
    for seed, member in members(method):
        shared = replace(_shared(suite, member, task, limit), weights=weights)
        facts: dict[str, Any] = {
            "row": method.row,
            "weights_file": str(file) if file else None,
            "trained_on": method.trained_on,
            "python": method.python,
            "weights_folder": _weights_folder(shared),
            "is_baseline": card.is_baseline,
            "member": seed,
        }
        cells += [Cell(replace(shared, **fields), question=values, **facts) for fields, values in cell_fields]
    return cells, skip_list


def _cell_fields(
    suite: Suite, task: TaskBlock, questions: _Questions, reasons: SkipReasons
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield for each cell of a task that no reason skips its fields of a spec, and all fields of its question."""
    conditions = conditions_of(task)
    for dataset in suite.datasets:
        dataset_class: type[Dataset] = DATASETS.get(dataset.name)
        check_rate(conditions, dataset, dataset_class)
        data = {
            "dataset": dataset.name,
            "dataset_version": dataset_class.card.version,
            "dataset_config": dataset_config(dataset),
        }
        for label_set in label_sets_of(dataset, task):
            classes = dataset_class.all_label_sets().get(label_set, ())
            for number, (question, values, distinct_fields) in enumerate(questions.grid):
                if (number, (dataset.name, label_set)) in reasons:
                    continue
                own: dict[str, Any] = {
                    "label_set": label_set,
                    "task_config": distinct_fields,
                    "task_inputs": question.inputs(dataset.name, label_set, classes),
                    "source": source_of(suite, question),
                }
                for condition in conditions:
                    yield {**data, **own, "signal": condition.to_json()}, values


def _weights_folder(spec: RunSpec) -> str | None:
    if spec.pretraining is None:
        return None
    return weights_folder(spec.method, spec.method_version, spec.method_config, spec.pretraining)


def _shared(suite: Suite, method: MethodBlock, task: TaskBlock, limit: int | None) -> RunSpec:
    """Return a spec with the fields that all cells of a method and a task share."""
    method_class: type[Method] = METHODS.get(method.name)
    task_class: type[Task] = TASKS.get(task.name)
    return RunSpec(
        method=method.name,
        method_version=method_class.card.version,
        method_config=method_config(method),
        task=task.name,
        task_version=task_class.version,
        task_config={},
        dataset="",
        dataset_version=0,
        dataset_config={},
        label_set="",
        protocol=task_class.protocol,
        pretraining=recipe_of(suite, method, limit),
        training=training_of(method),
        training_seed=training_seed_of(method),
        limit=limit,
    )
