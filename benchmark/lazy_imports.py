"""Packages that build on the harness, imported only when a command needs them: the harness depends on none."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

EXECUTOR_GROUP = "ecgarena.executors"  # of entry points, beside the executors of `benchmark.engine.executors`
CLUSTER_COMMANDS = "slurm.commands"  # the functions behind `benchmark.commands.cluster`


def executor_plugins() -> dict[str, EntryPoint]:
    """Return the executors that packages bring, by name; nothing is imported."""
    return {point.name: point for point in entry_points(group=EXECUTOR_GROUP)}


def load(module: str) -> Any:
    """Import a module by its name."""
    return importlib.import_module(module)
