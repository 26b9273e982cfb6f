"""Suites: methods, tasks and datasets of a comparison, in a TOML file that is pure data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchmark.errors import brief, did_you_mean, raise_all
from benchmark.names import look_of, name_problem, one_line
from benchmark.planning.choice_files import attach_choices
from benchmark.planning.suite_files import suite_path
from benchmark.toml_values import read_toml, value_problems

LONGEST_LABEL = 200  # characters of a row's title


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetBlock(Block):
    name: str
    label_sets: list[str] = Field(min_length=1)
    config: dict[str, Any] = {}


class TaskBlock(Block):
    """`config` sets the task's fields; a list of values for a field that takes one is a grid.

    `signal` lists conditions under which the question is asked (see `benchmark.data.signals.conditions`); ``{}`` is the
    recording as it is.
    """

    name: str
    config: dict[str, Any] = {}
    label_sets: list[str] | None = None  # default: all of the suite
    signal: list[dict[str, Any]] = Field(default=[{}], min_length=1)


class TuneBlock(Block):
    """Terms that all tuned rows of a suite share (see `planning.tuning`): budget, sampler and criterion.

    A trial trains for the first of `rungs`. One in `reduction` of them trains from scratch for the next, and so on.
    """

    trials: int = Field(ge=1)
    rungs: list[int] = Field(min_length=1)  # lengths of a training, in ascending order
    unit: Literal["steps", "recordings"] = "steps"  # of `rungs`; recordings make large and small batches cost the same
    reduction: int = Field(default=3, ge=2)
    sampler: Literal["tpe", "random"] = "tpe"
    batch: int = Field(default=4, ge=1)  # trials that the sampler draws before it sees their scores
    seed: int = Field(default=0, ge=0)
    choose: Literal["val_labels", "val_loss", "val_retrieval"]
    label_sets: list[str] | None = None  # "ptbxl/super", ... for val_labels; default: all of the suite


class RowTuneBlock(Block):
    """The search space of a tuned row: ``pretrain.OPTION`` or ``config.OPTION`` -> a range or a list of values."""

    space: dict[str, Any] = Field(min_length=1)


class MethodBlock(Block):
    """One row of the leaderboard. `weights` names a checkpoint (see `planning.weights`), `pretrain` makes one.

    `python` is the interpreter of another environment, in which the method runs (see `benchmark.external`). A row with
    `tune` takes its values from the suite's file of choices, which `load_suite` puts into `choice`.
    """

    name: str
    label: str = ""
    config: dict[str, Any] = {}
    weights: str | None = None
    if_absent: Literal["refuse", "skip"] = "refuse"  # where `weights` names a file that is not on this machine
    trained_on: list[str] | None = None  # what `weights` saw, where the card does not tell: "ptbxl:train", ...
    pretrain: dict[str, Any] | None = None  # dataset, and options of benchmark.planning.training_config
    python: str | None = None
    training: dict[str, Any] | None = None  # for methods trained end to end on the labelled subset
    tune: RowTuneBlock | None = None
    choice: dict[str, Any] | None = None  # an entry of the file of choices; never part of a suite's own file
    recipe: Literal["as published"] | None = None  # what tables say of the row, where its paper's recipe is followed

    @field_validator("label")
    @classmethod
    def _one_line(cls, label: str) -> str:
        if one_line(label) != label or label != label.strip():
            raise ValueError("a row's title is one line, without control characters and blanks around it")
        if label.startswith("_"):
            raise ValueError(
                "a row's title must not begin with an underscore: legends of figures leave such titles out"
            )
        if len(label) > LONGEST_LABEL:
            raise ValueError(f"a row's title has at most {LONGEST_LABEL} characters, this one has {len(label)}")
        return label

    @property
    def row(self) -> str:
        return self.label or self.name


class Suite(Block):
    name: str
    title: str
    version: str
    about: str = ""
    datasets: list[DatasetBlock] = Field(min_length=1)
    tasks: list[TaskBlock] = Field(min_length=1)
    methods: list[MethodBlock] = Field(min_length=1)
    tune: TuneBlock | None = None

    @field_validator("name")
    @classmethod
    def _part_of_a_path(cls, name: str) -> str:
        if problem := name_problem(name):
            raise ValueError(f"files are named after it: {problem}")
        return name


def load_suite(name: str, overrides: Mapping[str, Any] | None = None) -> Suite:
    """Load a built-in suite by name or any suite by its path; `overrides` are dotted keys of ``--set``.

    Raises `UsageError` with every mistake in the file's form: keys, types, values and names.
    """
    path = suite_path(name)
    raw = read_toml(path)
    problems = [problem for key, value in (overrides or {}).items() for problem in _assign(raw, key, value)]
    problems += value_problems(raw)
    problems += attach_choices(raw, path)
    try:
        suite = Suite.model_validate(raw)
        problems += _repeated(suite)
    except ValidationError as error:
        problems += [_explain(fault) for fault in error.errors()]
    raise_all(problems, f"{path} is wrong:")
    return suite


def _repeated(suite: Suite) -> list[str]:
    """Return a problem for each row and dataset that appears twice, and for rows that no reader can tell apart."""
    rows = [method.row for method in suite.methods]
    looks: dict[str, list[str]] = {}
    for row in dict.fromkeys(rows):
        looks.setdefault(look_of(row), []).append(row)
    names = [dataset.name for dataset in suite.datasets]
    return [
        *(f"two methods share the row {row!r}; give one a label" for row in sorted(set(rows)) if rows.count(row) > 1),
        *(f"the rows {', '.join(map(ascii, alike))} look the same" for alike in looks.values() if len(alike) > 1),
        *(f"dataset {name!r} stands twice" for name in sorted(set(names)) if names.count(name) > 1),
    ]


def _assign(raw: dict[str, Any], dotted: str, value: Any) -> Iterator[str]:
    """Set ``methods.merl.config.width``: tables by key, entries of a list by label or name; yield what is wrong."""
    *path, last = dotted.split(".")
    node: Any = raw
    for depth, part in enumerate(path):
        where = ".".join(path[:depth]) or "the suite"
        if isinstance(node, list):
            entries = {_label_of(entry): entry for entry in node if isinstance(entry, dict)}
            if part not in entries:
                yield f"--set {dotted}: {where} has no entry {brief(part)}{did_you_mean(part, entries)}"
                return
            node = entries[part]
        elif isinstance(node, dict):
            if part not in node and part not in MethodBlock.model_fields:
                yield f"--set {dotted}: {where} has no key {brief(part)}{did_you_mean(part, node)}"
                return
            node = node.setdefault(part, {})
        else:
            yield f"--set {dotted}: {where} is a plain value"
            return
    if isinstance(node, dict):
        node[last] = value
    elif path:
        yield f"--set {dotted}: name an entry of {'.'.join(path)} and its key: methods.merl.config.width=32"


def _label_of(entry: dict[str, Any]) -> str:
    """Return an entry's label, else its name, as text: both are still unchecked."""
    return str(entry.get("label") or entry.get("name", ""))


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        blocks: dict[str, type[Block]] = {
            "datasets": DatasetBlock,
            "tasks": TaskBlock,
            "methods": MethodBlock,
            "tune": TuneBlock,
        }
        block = blocks.get(str(fault["loc"][0]), Suite)
        return f"{where} is no key{did_you_mean(key, block.model_fields)}"
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "value_error":
        return f"{where} = {brief(fault['input'])}: {fault['msg'].removeprefix('Value error, ')}"
    return f"{where}: {fault['msg']}, it is {brief(fault['input'])}"
