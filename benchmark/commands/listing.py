"""One line for each built-in method, task, dataset and suite: what ``list KIND`` prints beside the names.

The words come from where their author wrote them: the first line of the module, and the card. Plug-ins are named with
their distribution and not imported, so that a broken one stops nobody.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.registry import DATASETS, METHODS, TASKS

SEPARATOR = " | "
DESCRIBED = "described by "  # the origin of a folder that describes itself


def described_names(kind: str, names: list[str]) -> dict[str, str]:
    """Return a line for each name of a kind (``"methods"``); a plug-in's has its origin alone."""
    if kind == "suites":
        return {name: _suite(name) for name in names}
    registry: Any = {"methods": METHODS, "tasks": TASKS, "datasets": DATASETS}[kind]
    describe = {"methods": _method, "tasks": _task, "datasets": _dataset}[kind]
    origins = {name: registry.origin(name) for name in names}
    lines = {
        name: describe(registry.get(name)) if origin == "built-in" else f"({origin})"
        for name, origin in origins.items()
    }
    return lines | {name: _folder(name) for name in names if kind == "datasets" and origins[name].startswith(DESCRIBED)}


def _method(cls: Any) -> str:
    """Return a method's title, its paper, whether it can be trained, its weights and its licence."""
    title = re.sub(r" \([^()]*\d{4}\)$", "", _first_line(cls))  # its paper follows
    return SEPARATOR.join([title, cls.card.paper, _how_it_learns(cls), cls.card.licence])


def _task(cls: Any) -> str:
    """Return a task's first line, and the metric that a table shows."""
    return SEPARATOR.join([_first_line(cls), cls.primary])


def _dataset(cls: Any) -> str:
    """Return a dataset's first line, its label sets and its licence."""
    return SEPARATOR.join([_first_line(cls), ", ".join(cls.places()) or "reports alone", cls.card.licence])


def _folder(name: str) -> str:
    """Return the same for a folder with a ``dataset.toml``; a wrong one does not disturb the others."""
    try:
        cls = DATASETS.get(name)
    except BenchmarkError:
        return f"({DATASETS.origin(name)}, which is wrong: see ecgarena show {name})"
    return SEPARATOR.join([cls.card.title, ", ".join(cls.places()) or "reports alone", cls.card.licence])


def _suite(name: str) -> str:
    from benchmark.planning.suite_files import suite_path
    from benchmark.toml_values import read_toml

    return str(read_toml(suite_path(name)).get("title", ""))


def _first_line(cls: Any) -> str:
    return (sys.modules[cls.__module__].__doc__ or "").strip().partition("\n")[0].rstrip(".")


def _how_it_learns(cls: Any) -> str:
    """Return ``trainable; weights tag:resnet``, in the words of the contract."""
    from benchmark.api import SupervisedMethod, TrainableMethod

    kinds = {SupervisedMethod: "trained on labels", TrainableMethod: "trainable"}
    trained = next((words for base, words in kinds.items() if issubclass(cls, base)), "not trained here")
    tags = ", ".join(f"tag:{tag}" for tag in cls.card.weights)
    return f"{trained}; weights {tags}" if tags else trained
