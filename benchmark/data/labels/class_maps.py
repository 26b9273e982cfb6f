"""Class maps between two label sets, as data with a source and a digest.

A map has a coarse and a fine side: each coarse class lists its fine members. It serves both directions, and
both are judged on the coarse classes that have members, since only there do the two sides mean the same. For example,
"conduction disturbance" as a score for first degree AV block alone would punish every bundle branch block.
The project's own maps are in ``tasks/class_maps``; any other is given by its path.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmark.canonical import digest
from benchmark.errors import UsageError, raise_all
from benchmark.paths import user_path
from benchmark.registry import DATASETS

FIELDS = ("coarse", "fine", "version", "source", "about", "members")


@dataclass(frozen=True)
class ClassMap:
    """A class map: `coarse` and `fine` are ``dataset/label_set``, `members` maps coarse classes to fine ones."""

    coarse: str
    fine: str
    source: str
    members: Mapping[str, tuple[str, ...]] = field(hash=False)

    @property
    def digest(self) -> str:
        return digest([self.coarse, self.fine, self.members])

    @property
    def classes(self) -> tuple[str, ...]:
        """The coarse classes that have members, on which a transfer is judged."""
        return tuple(name for name, members in self.members.items() if members)

    def columns(self, side: str, classes: Sequence[str]) -> list[list[int]]:
        """Return, per judged class, its columns among the `classes` of `side`, which is `coarse` or `fine`.

        Raises `UsageError` naming the classes that the label set lacks.
        """
        groups = [self.members[name] if side == self.fine else (name,) for name in self.classes]
        unknown = sorted({name for group in groups for name in group} - set(classes))
        raise_all([f"{side} has no class {name!r}" for name in unknown], "the class map does not fit:")
        return [[classes.index(name) for name in group] for group in groups]


def strongest(values: np.ndarray, columns: list[list[int]]) -> np.ndarray:
    """Return the maximum over each group's columns, ``(n, group)``: for labels "any", for scores the most likely."""
    return np.stack([values[:, group].max(axis=1) for group in columns], axis=1)


def find_map(source: str, target: str, path: str = "") -> ClassMap | None:
    """Return the map between two label sets (``ptbxl/super``), in either direction; None if there is none.

    `path` names a JSON file to use instead of the project's own maps.
    """
    maps = [read_map(user_path(path))] if path else own_maps()
    return next((class_map for class_map in maps if {class_map.coarse, class_map.fine} == {source, target}), None)


@functools.cache
def own_maps() -> tuple[ClassMap, ...]:
    """Return the project's own maps, found without importing ``tasks``."""
    spec = find_spec("tasks")
    folders = (spec and spec.submodule_search_locations) or []
    return tuple(read_map(path) for folder in folders for path in sorted(Path(folder, "class_maps").glob("*.json")))


def read_map(path: Path) -> ClassMap:
    """Read a map; raise one `UsageError` that lists all faults of the file."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no readable JSON file: {error}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} must hold an object with {', '.join(FIELDS)}")
    problems = [f"{name} is missing" for name in FIELDS if name not in content]
    problems += [f"{name} is no field" for name in content if name not in FIELDS]
    members = content.get("members")
    if not isinstance(members, dict) or not all(
        isinstance(group, list) and all(isinstance(name, str) for name in group) for group in members.values()
    ):
        problems.append("members must map class names to lists of class names")
    elif not any(members.values()):
        problems.append("members are all empty: nothing could be judged")
    raise_all(problems, f"{path} is not a valid class map:")
    assert isinstance(members, dict)
    groups = {name: tuple(group) for name, group in members.items()}
    return ClassMap(content["coarse"], content["fine"], content["source"], groups)


def label_set_of(text: str) -> tuple[str, str]:
    """Split ``ptbxl/super`` into dataset and label set; raise `UsageError` for anything else."""
    dataset, slash, label_set = text.partition("/")
    if not slash or not dataset or not label_set:
        raise UsageError(f"{text!r} is no label set; write DATASET/LABEL_SET, such as ptbxl/super")
    DATASETS.get(dataset)
    return dataset, label_set
