"""What the harness knows by a text alone and imports when a command asks for it: the packages that build on it."""

from __future__ import annotations

import importlib
from typing import Any

EXECUTORS = {"slurm": "slurm.executor:SlurmExecutor"}  # beside those of `benchmark.engine.executors`
CLUSTER_COMMANDS = "slurm.commands"  # the functions behind `benchmark.commands.cluster`


def load(reference: str) -> Any:
    """Import ``module`` or ``module:name``."""
    module, _, name = reference.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found
