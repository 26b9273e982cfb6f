"""Packages that build on the harness, imported only when a command needs them: the harness depends on none."""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
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
    return list(_entry_points(group, tuple((folder, _last_change(folder)) for folder in sys.path)))


@functools.lru_cache(maxsize=16)
def _entry_points(group: str, places: tuple[tuple[str, int], ...]) -> list[EntryPoint]:
    """Read the files of all distributions, 35 ms for 110 of them: once for each state of `places`."""
    from importlib import metadata

    return list(metadata.entry_points(group=group))


def _last_change(folder: str) -> int:
    """Return the time at which a distribution came to a folder of ``sys.path`` or left it, as far as it exists."""
    try:
        return Path(folder or ".").stat().st_mtime_ns
    except OSError:
        return 0


def load(module: str) -> Any:
    """Import a module by its name."""
    return importlib.import_module(module)
