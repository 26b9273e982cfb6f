"""The search space of a tuned row: its parameters, and the checks that every value in it can be tried.

A parameter is ``pretrain.OPTION`` (of the training) or ``config.OPTION`` (of the method). Its values are a list, or a
range: ``{ low = 1e-4, high = 3e-3, log = true }``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.api import AlignedMethod, Method, TrainableMethod
from benchmark.configuration import complete, first_defaults, options
from benchmark.errors import BenchmarkError, UsageError, brief, did_you_mean
from benchmark.option_types import option_types
from benchmark.planning.suites import MethodBlock, TuneBlock
from benchmark.planning.training_config import TrainingConfig

PRETRAIN, CONFIG = "pretrain", "config"
RANGE = {"low", "high", "log"}
DIGITS = 3  # significant ones of a drawn number: a published recipe that can be read, and no loss
UNSEARCHABLE = {  # options of a training that no trial may choose
    **dict.fromkeys(("epochs", "steps", "min_steps"), "the rungs fix how long a trial trains"),
    "seed": "tuning has one of its own, which no final training uses",
    **dict.fromkeys(("dataset", "dataset_config"), "all trials learn from the row's dataset"),
    **dict.fromkeys(("select", "select_on"), "it says what reads validation labels, and is no matter of a score"),
}


@dataclass(frozen=True)
class Parameter:
    """One option to search: `values` to choose from, or all numbers from `low` to `high`."""

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @property
    def ends(self) -> tuple[Any, ...]:
        """Return the values that a check has to try."""
        return self.values or (self.low, self.high)

    def contains(self, value: Any) -> bool:
        if self.values:
            return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in self.values)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and not (self.whole and value != int(value))

    def tidy(self, value: Any) -> Any:
        """Return a drawn value with few digits, still within the range."""
        if self.values or self.whole or not isinstance(value, float):
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


def parameters(block: MethodBlock, method_class: type[Method]) -> list[Parameter]:
    """Return the parameters of a row's space; raise one `UsageError` with everything that is wrong in its form."""
    assert block.tune is not None
    space: list[Parameter] = []
    problems: list[str] = []
    for name, form in sorted(block.tune.space.items()):
        try:
            space.append(_parameter(name, form, method_class))
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError("\n".join(problems))
    return space


def _parameter(name: str, form: Any, method_class: type[Method]) -> Parameter:
    owner, _, option = name.partition(".")
    if owner not in (PRETRAIN, CONFIG) or not option:
        raise UsageError(f"{brief(name)} is no parameter: write {PRETRAIN}.lr, or {CONFIG}.OPTION for the method's own")
    cls: Callable[..., Any] = TrainingConfig if owner == PRETRAIN else method_class
    if option == "seed" or (owner == PRETRAIN and option in UNSEARCHABLE):
        raise UsageError(f"{name} cannot be searched: {UNSEARCHABLE[option]}")
    if option not in options(cls):
        raise UsageError(f"{name}: there is no such option{did_you_mean(option, options(cls))}")
    if isinstance(form, list):
        return _list(name, form)
    if not isinstance(form, Mapping):
        raise UsageError(f"{name} must be a list of values or a range {{ low = ..., high = ... }}, it is {brief(form)}")
    return _range(name, form, option_types(cls)[option] is int)


def _list(name: str, values: list[Any]) -> Parameter:
    plain = all(isinstance(value, str | int | float | bool) for value in values)
    if len(values) < 2 or not plain or len({(type(value), value) for value in values}) < len(values):
        raise UsageError(f"{name} must list two or more different plain values, it is {brief(values)}")
    return Parameter(name, tuple(values))


def _range(name: str, form: Mapping[str, Any], whole: bool) -> Parameter:
    unknown = [key for key in form if key not in RANGE]
    low, high, log = form.get("low"), form.get("high"), form.get("log", False)
    if unknown:
        raise UsageError(f"{name}: a range has no {unknown[0]!r}{did_you_mean(unknown[0], RANGE)}")
    if not _is_number(low) or not _is_number(high) or not isinstance(log, bool):
        raise UsageError(f"{name}: a range has two numbers, low and high, and log = true or false; it is {brief(form)}")
    assert low is not None and high is not None
    if not low < high or (log and low <= 0):
        raise UsageError(f"{name}: a range needs low < high, and low > 0 where log = true; it is {brief(dict(form))}")
    if whole and (low != int(low) or high != int(high)):
        raise UsageError(f"{name} takes whole numbers; its range is {brief(dict(form))}")
    convert = int if whole else float
    return Parameter(name, (), convert(low), convert(high), log, whole)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def own_values(block: MethodBlock, method_class: type[Method], space: list[Parameter]) -> dict[str, Any] | None:
    """Return the row's own values of all parameters, which are the first trial; None where one lies outside."""
    defaults = {PRETRAIN: options(TrainingConfig), CONFIG: {**options(method_class)}}
    tables = {PRETRAIN: block.pretrain or {}, CONFIG: block.config}
    values = {}
    for parameter in space:
        owner, _, option = parameter.name.partition(".")
        value = tables[owner].get(option, defaults[owner].get(option))
        if not parameter.contains(value):
            return None
        values[parameter.name] = value
    return values


def with_values(block: MethodBlock, values: Mapping[str, Any]) -> MethodBlock:
    """Return a row's block with values of its parameters."""
    tables = {PRETRAIN: dict(block.pretrain or {}), CONFIG: dict(block.config)}
    for name, value in values.items():
        owner, _, option = name.partition(".")
        tables[owner][option] = value
    return block.model_copy(update=tables)


def space_problems(block: MethodBlock, method_class: type[Method], table: TuneBlock) -> list[str]:
    """Return a sentence for everything that keeps a row from being tuned under the terms of its suite."""
    if block.pretrain is None:
        return ["it has no 'pretrain' table, and tuning chooses how weights are pre-trained; remove its 'tune'"]
    if not issubclass(method_class, TrainableMethod):
        return ["its method cannot be pre-trained; remove its 'tune'"]
    if isinstance(block.config.get("seed"), list):
        return ["config.seed is a list; several trainings of a tuned row are a list in pretrain.seed"]
    try:
        space = parameters(block, method_class)
    except UsageError as error:
        return str(error).splitlines()
    problems = [problem for parameter in space for problem in _untriable(block, method_class, parameter)]
    return [*problems, *_unfair(space, table), *_unscored(space, method_class, table), *_too_short(block, space, table)]


def _untriable(block: MethodBlock, method_class: type[Method], parameter: Parameter) -> list[str]:
    """Return a sentence where an end of a range, or a listed value, is one that the option cannot have."""
    owner, _, option = parameter.name.partition(".")
    problems = []
    for value in parameter.ends:
        try:
            if owner == PRETRAIN:
                TrainingConfig.from_options({option: value}, parameter.name)
            else:
                complete(method_class, {**_own_config(block, method_class), option: value}, parameter.name)
        except BenchmarkError as error:
            problems.append(f"{parameter.name} = {brief(value)} cannot be tried: {' '.join(str(error).split())}")
    return problems


def _own_config(block: MethodBlock, method_class: type[Method]) -> dict[str, Any]:
    return {name: value for name, value in block.config.items() if name in first_defaults(method_class)}


def _unfair(space: list[Parameter], table: TuneBlock) -> list[str]:
    """Return a sentence where trials would cost unequally, though the budget is to be the same for all."""
    names = [p.name for p in space if p.name in (f"{PRETRAIN}.batch_size", f"{PRETRAIN}.accumulate")]
    if not names or table.unit == "recordings":
        return []
    return [f"{' and '.join(names)}: trials with larger batches would cost more; give the rungs in recordings (unit)"]


def _unscored(space: list[Parameter], method_class: type[Method], table: TuneBlock) -> list[str]:
    """Return a sentence where the suite's judge cannot compare the trials of this row."""
    if table.choose == "val_retrieval" and not issubclass(method_class, AlignedMethod):
        return ["choose = 'val_retrieval' needs a method with a space shared by recordings and texts"]
    moving = [p.name for p in space if p.name.startswith(f"{CONFIG}.") or p.name == f"{PRETRAIN}.batch_size"]
    if table.choose == "val_loss" and moving:
        return [f"choose = 'val_loss' cannot compare trials of other {', '.join(moving)}: the loss itself may change"]
    return []


def _too_short(block: MethodBlock, space: list[Parameter], table: TuneBlock) -> list[str]:
    if table.unit == "steps":
        return []
    values = {parameter.name: max(parameter.ends) for parameter in space if parameter.name.endswith("batch_size")}
    size = with_values(block, values).pretrain or {}
    largest = size.get("batch_size", TrainingConfig.batch_size) * size.get("accumulate", 1)
    if isinstance(largest, int) and table.rungs[0] < largest:
        return [f"a trial of {table.rungs[0]} recordings has no step with a batch of {largest}"]
    return []
