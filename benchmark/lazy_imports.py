"""Packages that build on the harness, imported only when a command needs them: the harness depends on none."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

EXECUTOR_GROUP = "ecgarena.executors"  # of entry points, beside the executors of `benchmark.engine.executors`
CLUSTER_COMMANDS = "slurm.commands"  # the functions behind `benchmark.commands.cluster`


def executor_plugins() -> dict[str, EntryPoint]:
    """Return the executors that packages bring, by name; nothing is imported."""
    return {point.name: point for point in entry_points(EXECUTOR_GROUP)}


def entry_points(group: str) -> list[EntryPoint]:
    """Return the entry points of a group. The module behind them takes a fifth of the time of ``--help``."""
    from importlib import metadata

    return list(metadata.entry_points(group=group))


def load(module: str) -> Any:
    """Import a module by its name."""
    return importlib.import_module(module)
