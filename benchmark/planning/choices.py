"""Rows with the values that `ecgarena tune` chose, and why others have none: no choice, or one of another search."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from benchmark.canonical import digest
from benchmark.configuration import options
from benchmark.errors import BenchmarkError
from benchmark.planning.blocks import find_method
from benchmark.planning.search_space import with_values
from benchmark.planning.suites import MethodBlock, Suite
from benchmark.planning.training_config import TrainingConfig
from benchmark.planning.tuning import identity


@dataclass(frozen=True)
class ChosenSuite:
    """A suite with chosen values in its tuned rows.

    `untuned` maps rows without chosen values to the reason. `twins` maps rows whose chosen values equal those of
    another row to a sentence that says so.
    """

    suite: Suite
    untuned: dict[str, str]
    twins: dict[str, str]

    def reason_of(self, row: str) -> str:
        """Return why a row has no cells of its own; "" if it has."""
        return self.untuned.get(row) or self.twins.get(row, "")


def with_choices(suite: Suite, arguments: Collection[str] = (), versions_count: bool = True) -> ChosenSuite:
    """Return the suite with chosen values; `arguments` are the suite as the user gave it, for commands in messages.

    Without `versions_count`, as for collected records, a choice by another version of its method holds.
    """
    if not any(block.tune for block in suite.methods):
        return ChosenSuite(suite, {}, {})

    def lack_of(block: MethodBlock) -> str:
        return _lack_of_choice(suite, block, arguments) or (
            _outlived(suite, block, arguments) if versions_count else ""
        )

    untuned = {block.row: reason for block in suite.methods if (reason := lack_of(block))}
    methods = [block if block.row in untuned else _with_choice(block) for block in suite.methods]
    rows_by_question = {_question(block): block.row for block in methods if block.tune is None}
    twins = {
        block.row: f"tuning chose the values that {rows_by_question[question]!r} has anyway; its numbers are those"
        for block in methods
        if block.tune is not None and block.row not in untuned and (question := _question(block)) in rows_by_question
    }
    return ChosenSuite(suite.model_copy(update={"methods": methods}), untuned, twins)


def _with_choice(block: MethodBlock) -> MethodBlock:
    return block if block.tune is None or block.choice is None else with_values(block, block.choice["values"])


def _question(block: MethodBlock) -> str:
    """Return a digest that two rows share where they differ in their label and in defaults that one spells out."""
    parts: list[Any] = [block.name, block.weights, block.training]
    try:
        config = {**options(find_method(block.name, block.python)), **block.config}
        return digest([*parts, {name: str(value) for name, value in config.items()}, _training(block.pretrain)])
    except (BenchmarkError, TypeError):  # a mistake in the block, which its own check reports
        return block.row


def _training(pretrain: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if pretrain is None else {**options(TrainingConfig), **pretrain}


def _lack_of_choice(suite: Suite, block: MethodBlock, arguments: Collection[str]) -> str:
    """Return why a tuned row cannot be run yet, with the command that helps; "" for all other rows."""
    if block.tune is None or suite.tune is None:
        return ""
    command = _command(suite, block, arguments)
    if block.choice is None:
        return f"it is not tuned yet: {command} chooses its values"
    if block.choice["tuning"] != identity(suite, block):
        return f"its values were chosen in another search (space, budget, row or data have changed since): {command}"
    return ""


def _command(suite: Suite, block: MethodBlock, arguments: Collection[str]) -> str:
    return f"`{shlex.join(['ecgarena', 'tune', *(arguments or (suite.name,)), '--methods', block.row])}`"


def _outlived(suite: Suite, block: MethodBlock, arguments: Collection[str]) -> str:
    """Return why a choice no longer holds: its trials are of another version of the method, and do not count either."""
    then = (block.choice or {}).get("method_version")
    if then is None:  # older files of choices do not say it
        return ""
    try:
        now = find_method(block.name, block.python).card.version
    except BenchmarkError:  # which its own check reports
        return ""
    if then == now:
        return ""
    command = _command(suite, block, arguments)
    return f"its values were chosen with version {then} of {block.name}, installed is {now}: {command}"
