"""Checks of a suite's blocks, and their completion, one by one, before and while a grid is laid out."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

from benchmark.api import REPORTS, Dataset, Method, SupervisedMethod, Task, TrainableMethod
from benchmark.configuration import complete, distinct, type_problems
from benchmark.data.signals.conditions import SignalCondition, expand_conditions
from benchmark.data.signals.perturbations import check
from benchmark.errors import BenchmarkError, UsageError, brief, did_you_mean, no_label_set, raise_all
from benchmark.names import check_name
from benchmark.planning.members import SEED, members
from benchmark.planning.suites import DatasetBlock, MethodBlock, Suite, TaskBlock
from benchmark.planning.training_config import TrainingConfig
from benchmark.planning.weights import HUB
from benchmark.registry import DATASETS, METHODS, TASKS


def block_errors(suite: Suite, rows: Collection[str], tasks: Collection[str]) -> list[BenchmarkError]:
    """Check every block by itself; methods and tasks only if `rows` and `tasks` name them, or are empty."""
    checks: list[Callable[[], object]] = []
    for dataset in suite.datasets:
        checks += [functools.partial(dataset_config, dataset), functools.partial(_check_label_sets, dataset)]
    for task in suite.tasks:
        if not tasks or task.name in tasks:
            checks += [functools.partial(_check_grid, task), functools.partial(conditions_of, task)]
    for method in suite.methods:
        if not rows or method.row in rows:
            checks += _checks_of_row(suite, method)
    return [error for check in checks if (error := _error_of(check)) is not None]


def _checks_of_row(suite: Suite, method: MethodBlock) -> list[Callable[[], object]]:
    """Return the checks of a row; where it has members, of the first one, since they differ in a whole number alone."""
    try:
        ((_, member), *_) = members(method)
    except BenchmarkError:
        return [functools.partial(members, method)]
    parts = (method_config, training_of, _check_absence, _check_pretraining, functools.partial(recipe_of, suite))
    return [functools.partial(part, member) for part in parts]


def _error_of(check: Callable[[], object]) -> BenchmarkError | None:
    try:
        check()
    except BenchmarkError as error:
        return error
    return None


# --- datasets ------------------------------------------------------------------------------------


def dataset_config(dataset: DatasetBlock) -> dict[str, Any]:
    """Return the options that differ from their defaults."""
    return distinct(DATASETS.get(dataset.name), dataset.config, f"dataset {dataset.name}")


def _check_label_sets(dataset: DatasetBlock) -> None:
    """Refuse label sets that the dataset lacks, and names from a plug-in that cannot be part of a path."""
    refuse_unknown(dataset, dataset.label_sets)
    for name in dataset.label_sets:
        check_name(name, f"a label set of the dataset {dataset.name}")


def refuse_unknown(dataset: DatasetBlock, names: Collection[str]) -> None:
    cls: type[Dataset] = DATASETS.get(dataset.name)
    unknown = [name for name in names if name not in cls.places() and name != REPORTS]
    wrong = [no_label_set(dataset.name, name, cls.all_label_sets(), cls.targets) for name in unknown]
    raise_all(wrong, "label_sets:")


def label_sets_of(dataset: DatasetBlock, task: TaskBlock) -> list[str]:
    """Return the label sets of the dataset on which the task is run."""
    refuse_unknown(dataset, [*dataset.label_sets, *(task.label_sets or [])])
    return [name for name in dataset.label_sets if task.label_sets is None or name in task.label_sets]


def check_rate(conditions: list[SignalCondition], dataset: DatasetBlock, dataset_class: type[Dataset]) -> None:
    """Raise where a perturbation cannot exist at the dataset's rate."""
    for condition in conditions:
        if condition.perturb:
            options = complete(dataset_class, dataset.config, f"dataset {dataset.name}")
            check(condition.perturb, condition.strength, dataset_class(**options).rate)


# --- tasks ---------------------------------------------------------------------------------------


def conditions_of(task: TaskBlock) -> list[SignalCondition]:
    """Return the conditions under which signals are read, each once."""
    return list(dict.fromkeys(expand_conditions(task.signal, f"task {task.name}")))


def _check_grid(task: TaskBlock) -> None:
    for _ in expand(TASKS.get(task.name), task.config, f"task {task.name}"):
        pass


def expand(task_class: type[Task], config: dict[str, Any], where: str) -> Iterator[Task]:
    """Yield the grid of a task: the product over all fields with a list; equal questions appear once."""
    options = {entry.name: entry for entry in fields(task_class)}  # type: ignore[arg-type]
    wrong = [f"{where} has no field {name!r}{did_you_mean(name, options)}" for name in config if name not in options]
    values = [value if isinstance(value, list) else [value] for value in config.values()]
    wrong += [
        f"{name} of {where} is an empty list: nothing would be asked" for name, value in config.items() if value == []
    ]
    single = [
        {name: value} for name, several in zip(config, values, strict=True) if name in options for value in several
    ]
    wrong += [line for option in single for line in type_problems(task_class, option, where)]
    raise_all(list(dict.fromkeys(wrong)), f"the configuration of {where} is wrong:")
    keys = set()
    for combination in itertools.product(*values):
        question = task_class(**dict(zip(config, combination, strict=True))).canonical_form()
        if question not in keys:
            keys.add(question)
            yield question


def source_of(suite: Suite, question: Task) -> dict[str, Any] | None:
    """Return the dataset that a task learns from, configured as in the suite where the suite has it."""
    sources = question.learns_from()
    if sources is None:
        return None
    name, label_set = sources
    cls: type[Dataset] = DATASETS.get(name)
    if label_set not in cls.label_sets:
        raise UsageError(f"{name} has no label set {label_set!r}{did_you_mean(label_set, cls.label_sets)}")
    config = next((block.config for block in suite.datasets if block.name == name), {})
    return {
        "dataset": name,
        "dataset_version": cls.card.version,
        "dataset_config": distinct(cls, config, f"dataset {name}"),
        "label_set": label_set,
    }


# --- methods -------------------------------------------------------------------------------------


def find_method(name: str, python: str | None) -> type[Method]:
    """Return the method class called `name`, from another interpreter if `python` names one."""
    if python is not None:
        from benchmark.external.method import use_interpreter  # torch: only where it is needed

        use_interpreter(name, python)
    return METHODS.get(name)


def method_config(method: MethodBlock) -> dict[str, Any]:
    """Return the options that differ from their defaults."""
    return distinct(find_method(method.name, method.python), method.config, f"method {method.row}")


def _check_absence(method: MethodBlock) -> None:
    """Refuse to skip a row for want of a file where it names none, or one that would be fetched."""
    if method.if_absent == "skip" and (method.weights is None or method.weights.startswith(HUB)):
        fault = "names no weights" if method.weights is None else f"takes its weights from {HUB}, which fetches them"
        raise UsageError(
            f"{method.row} {fault}, so no file of it can be absent: remove 'if_absent', or name the file by a path or "
            "a tag of its card"
        )


def training_of(method: MethodBlock) -> dict[str, Any] | None:
    """Return the training options of a supervised method that differ from their defaults; None for other methods.

    The seed is no part of them: see `training_seed_of`.
    """
    method_class: type[Method] = find_method(method.name, method.python)
    if not issubclass(method_class, SupervisedMethod):
        if method.training is not None:
            raise UsageError(f"{method.row} is not trained on labels; it takes no 'training'")
        return None
    if (method.training or {}).get("select", "last") != "last":
        raise UsageError(f"{method.row} keeps its best epoch by validation labels anyway; remove 'select'")
    if (method.training or {}).get("share", 1) != 1:
        raise UsageError(f"{method.row} learns from the task's label fraction; remove 'share'")
    options = _training_options(method.training or {}, f"training of {method.row}")
    return {name: value for name, value in options.items() if name != SEED}


def training_seed_of(method: MethodBlock) -> int | None:
    """Return the seed by which the trainings of a supervised row differ; None for 0, the question's own seed alone."""
    return (method.training or {}).get(SEED, 0) or None


def _training_options(options: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the options that differ from their defaults; raise where a training cannot run with them."""
    TrainingConfig.from_options(options, where)
    return distinct(TrainingConfig, options, where)


def _check_pretraining(method: MethodBlock) -> None:
    """Refuse wrong training options, even where the dataset beside them is wrong as well."""
    options = {
        key: value
        for key, value in (method.pretrain or {}).items()
        if key not in ("dataset", "dataset_config", "select_on")
    }
    _training_options(options, f"pretrain of {method.row}")


def recipe_of(suite: Suite, method: MethodBlock, limit: int | None = None) -> dict[str, Any] | None:
    """Return the recipe of the weights that the suite pre-trains for this row, if any."""
    method_class: type[Method] = find_method(method.name, method.python)
    if method.pretrain is None:
        return None
    if method.weights is not None:
        raise UsageError(f"{method.row} has both 'weights' and 'pretrain'; keep one")
    options = dict(method.pretrain)
    dataset = options.pop("dataset", None)
    if dataset is None:
        raise UsageError(f"the pretrain table of {method.row} names no dataset")
    if not isinstance(dataset, str):
        raise UsageError(f"the pretrain table of {method.row}: dataset must be a text, it is {brief(dataset)}")
    configs = {block.name: block.config for block in suite.datasets}
    config = options.pop("dataset_config", configs.get(dataset, {}))
    if not isinstance(config, dict):
        raise UsageError(f"the pretrain table of {method.row}: dataset_config must be a table, it is {brief(config)}")
    return recipe(method.row, method_class, dataset, config, options, limit, configs)


def recipe(
    row: str,
    method_class: type[Method],
    dataset: str,
    dataset_config: dict[str, Any],
    options: dict[str, Any],
    limit: int | None = None,
    configs: Mapping[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the recipe of weights: dataset and training options; part of the key of every cell that uses them.

    ``select_on`` among the options names the label sets whose validation split chooses the epoch, such as
    "ptbxl/super"; `configs` has the options of their datasets.
    """
    if issubclass(method_class, SupervisedMethod) or not issubclass(method_class, TrainableMethod):
        raise UsageError(f"{row} cannot be pre-trained; remove its 'pretrain'")
    dataset_class = DATASETS.get(dataset)
    where = f"pretrain of {row}"
    options = dict(options)
    chosen_by = _label_sets_that_choose(options, configs or {}, where)
    return chosen_by | {
        "dataset": dataset,
        "dataset_version": dataset_class.card.version,
        "dataset_config": distinct(dataset_class, dataset_config, f"dataset {dataset}"),
        "training": _training_options(options, where),
        "limit": limit,
    }


def _label_sets_that_choose(
    options: dict[str, Any], configs: Mapping[str, dict[str, Any]], where: str
) -> dict[str, list[dict[str, Any]]]:
    """Remove ``select_on`` from the options of a pre-training; return it with its datasets, {} where there is none."""
    places = options.pop("select_on", None)
    if places is None:
        return {}
    if options.get("select") != "zero_shot_val":
        raise UsageError(
            f"{where}: select_on needs select = 'zero_shot_val'; no other choice of the epoch reads labels"
        )
    if not isinstance(places, list) or not places or not all(isinstance(place, str) for place in places):
        raise UsageError(f'{where}: select_on is a list of label sets such as "ptbxl/super", it is {brief(places)}')
    entries, problems = [], []
    for place in dict.fromkeys(places):
        name, _, label_set = place.partition("/")
        if name not in DATASETS.names():
            problems.append(f"{place!r}: no dataset is called {name!r}{did_you_mean(name, DATASETS.names())}")
            continue
        cls: type[Dataset] = DATASETS.get(name)
        if label_set not in cls.label_sets:
            problems.append(f"{place!r}: {no_label_set(name, label_set, cls.label_sets)}")
            continue
        config = distinct(cls, configs.get(name, {}), f"dataset {name}")
        entries.append(
            {
                "dataset": name,
                "dataset_version": cls.card.version,
                "dataset_config": config,
                "label_set": label_set,
            }
        )
    raise_all(problems, f"select_on in {where}:")
    return {"select_on": entries}
