"""A suite: which methods meet which tasks on which datasets, as a TOML file that is data and nothing else."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.errors import UsageError, did_you_mean, raise_all
from benchmark.planning.suite_files import suite_path


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


class MethodBlock(Block):
    """One row of the leaderboard. `weights` names a checkpoint (see `planning.weights`), `pretrain` makes one.

    `python` is the interpreter of another environment, in which the method runs (see `benchmark.external`).
    """

    name: str
    label: str = ""
    config: dict[str, Any] = {}
    weights: str | None = None
    trained_on: list[str] | None = None  # what `weights` saw, where the card does not tell: "ptbxl:train", ...
    pretrain: dict[str, Any] | None = None  # dataset, and options of benchmark.planning.training_config
    python: str | None = None
    training: dict[str, Any] | None = None  # for methods trained end to end on the labelled subset

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


def load_suite(name: str, overrides: Mapping[str, Any] | None = None) -> Suite:
    """Load a built-in suite by name or any suite by its path; `overrides` are dotted keys of ``--set``."""
    path = suite_path(name)
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no readable TOML file: {error}") from None
    for key, value in (overrides or {}).items():
        _assign(raw, key, value)
    try:
        suite = Suite.model_validate(raw)
    except ValidationError as error:
        raise_all([_explain(fault) for fault in error.errors()], f"{path} is wrong:")
        raise
    _check_names(suite, path)
    return suite


def _check_names(suite: Suite, path: Path) -> None:
    rows = [method.row for method in suite.methods]
    problems = [
        f"two methods share the row {row!r}; give one a label" for row in sorted(set(rows)) if rows.count(row) > 1
    ]
    names = [dataset.name for dataset in suite.datasets]
    problems += [f"dataset {name!r} stands twice" for name in sorted(set(names)) if names.count(name) > 1]
    raise_all(problems, f"{path} is wrong:")


def _assign(raw: dict[str, Any], dotted: str, value: Any) -> None:
    """Set ``methods.merl.config.width``: tables by key, entries of a list by their label or name."""
    *path, last = dotted.split(".")
    node: Any = raw
    for depth, part in enumerate(path):
        where = ".".join(path[:depth]) or "the suite"
        if isinstance(node, list):
            entries = {entry.get("label") or entry.get("name", ""): entry for entry in node}
            if part not in entries:
                raise UsageError(f"--set {dotted}: {where} has no entry {part!r}{did_you_mean(part, entries)}")
            node = entries[part]
        elif isinstance(node, dict):
            if part not in node and part not in MethodBlock.model_fields:
                raise UsageError(f"--set {dotted}: {where} has no key {part!r}{did_you_mean(part, node)}")
            node = node.setdefault(part, {})
        else:
            raise UsageError(f"--set {dotted}: {where} is a plain value")
    if not isinstance(node, dict):
        raise UsageError(f"--set {dotted}: name an entry of {'.'.join(path)} and its key: methods.merl.config.width=32")
    node[last] = value


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        blocks: dict[str, type[Block]] = {"datasets": DatasetBlock, "tasks": TaskBlock, "methods": MethodBlock}
        block = blocks.get(str(fault["loc"][0]), Suite)
        return f"{where} is no key{did_you_mean(key, block.model_fields)}"
    if fault["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {fault['msg']}, it is {fault['input']!r}"
