"""One generic, lazy registry: names come from file names and entry points, imports on first use.

A built-in entry is the class that a module ``package/NAME.py`` registers under NAME; a plug-in is an
entry point ``NAME = "module:Class"`` of the registry's group. Listing imports nothing.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from benchmark.errors import BenchmarkError, UsageError, did_you_mean
from benchmark.lazy_imports import entry_points
from benchmark.names import check_name
from benchmark.own_folders import DESCRIPTION, described_folder, described_folders

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from benchmark.api import Dataset, Method, Task

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes of one `kind` ("method"), found in the folder `package` and the entry points `group`."""

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind, self.package, self.group = kind, package, group
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Return a class decorator: ``@METHODS.register("merl")`` in ``methods/merl.py``."""

        def add(cls: type[T]) -> type[T]:
            check_name(name, f"the name of the {self.kind} {cls.__module__}.{cls.__qualname__}")
            registered = self._classes.get(name)
            if registered is not None and (registered.__module__, registered.__qualname__) != (
                cls.__module__,
                cls.__qualname__,
            ):
                raise UsageError(
                    f"two {self.kind}s are called {name!r}: {registered.__module__}.{registered.__qualname__} "
                    f"and {cls.__module__}.{cls.__qualname__}; rename one"
                )
            self._classes[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Return all names, built-in ones and plug-ins, without importing any of them."""
        return sorted({*self._files(), *self._plugins(), *self._classes})

    def origin(self, name: str) -> str:
        """Return the origin of a name: ``"built-in"``, or the distribution of the plug-in."""
        if name in self._files():
            return "built-in"
        plugin = self._plugins().get(name)
        if plugin is None:
            return "registered at run time"
        return f"plug-in {plugin.dist.name}" if plugin.dist else f"plug-in {plugin.value}"

    def distribution(self, name: str) -> str:
        """Return name and version of the distribution that brings a plug-in (``"spectra 0.2"``), else ""."""
        plugin = None if name in self._files() else self._plugins().get(name)
        return f"{plugin.dist.name} {plugin.dist.version}" if plugin is not None and plugin.dist else ""

    def conflicts(self) -> list[str]:
        """Return a sentence for each plug-in whose name is taken; nothing is imported."""
        problems: list[str] = []
        first: dict[str, EntryPoint] = {}
        for point in entry_points(self.group):
            who = f"the {self.kind} {point.name!r} of {_distribution(point)}"
            if point.name in self._files():
                problems.append(f"{who} is hidden by the built-in one; its author must rename it")
            elif point.name in first and first[point.name] != point:
                problems.append(f"{who} is called as that of {_distribution(first[point.name])}; uninstall one")
            first.setdefault(point.name, point)
        return problems

    def registered(self, name: str) -> type[T] | None:
        """Return the class called `name` if it is registered already, else None; nothing is imported."""
        return self._classes.get(name)

    def get(self, name: str) -> type[T]:
        """Import and return the class called `name`; a broken module is an error with its traceback."""
        if name in self._classes:
            return self._classes[name]
        if name in self._files():
            return self._load_file(name)
        if name in self._plugins():
            return self._load_plugin(self._plugins()[name])
        raise UsageError(f"no {self.kind} is called {name!r}{did_you_mean(name, self.names())}")

    def _files(self) -> list[str]:
        spec = find_spec(self.package)
        folders = (spec and spec.submodule_search_locations) or []
        files = (path for folder in folders for path in Path(folder).glob("*.py"))
        return sorted({path.stem for path in files if not path.stem.startswith("_")})

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(self.group)}

    def _load_file(self, name: str) -> type[T]:
        module = f"{self.package}.{name}"
        self._import(module, name)
        if name not in self._classes:
            raise UsageError(
                f"{module} registers no {self.kind} called {name!r}: file name and registered name must agree"
            )
        return self._classes[name]

    def _load_plugin(self, point: EntryPoint) -> type[T]:
        whose = f"the plug-in {self.kind} {point.name!r} of {_distribution(point)}"
        check_name(point.name, f"the name of {whose}")
        module = self._import(point.module, point.name, f" of {_distribution(point)}")
        cls: type[T] | None = getattr(module, point.attr, None)
        if cls is None:
            raise UsageError(f"{whose} names {point.value}, which does not exist")
        base = getattr(importlib.import_module("benchmark.api"), self.kind.capitalize())
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise UsageError(f"{whose} names {point.value}, which is no subclass of benchmark.api.{base.__name__}")
        self._classes[point.name] = cls
        return cls

    def _import(self, module: str, name: str, whose: str = "") -> object:
        try:
            return importlib.import_module(module)
        except BenchmarkError:
            raise
        except Exception as error:
            raise UsageError(
                f"the {self.kind} {name!r}{whose} is broken: importing {module} failed\n{traceback.format_exc()}"
            ) from error


class DatasetRegistry(Registry["Dataset"]):
    """Datasets, and beside them the folders under ``$ECGARENA_DATA`` that describe themselves; those come last."""

    def names(self) -> list[str]:
        return sorted({*super().names(), *described_folders()})

    def origin(self, name: str) -> str:
        file = self._description(name)
        return f"described by {file}" if file is not None else super().origin(name)

    def conflicts(self) -> list[str]:
        hidden = [file for name, file in described_folders().items() if self._description(name) is None]
        return [*super().conflicts(), *(f"{file} is hidden by the dataset {file.parent.name!r}" for file in hidden)]

    def get(self, name: str) -> type[Dataset]:
        """Return a class as any registry does, or the one that a folder's description makes."""
        file = None if name in self._classes else self._description(name)
        if file is not None:
            check_name(name, f"the name of the folder of {file}")
            cls: type[Dataset] = importlib.import_module(f"{self.package}.folder").folder_dataset(file)
            return cls
        if name == "folder" and name not in self.names():
            raise UsageError(f"a folder's dataset is called as the folder: write $ECGARENA_DATA/NAME/{DESCRIPTION}")
        return super().get(name)

    def _description(self, name: str) -> Path | None:
        """Return the file that describes a dataset, None where a class has the name."""
        folder = described_folder(name)
        return None if folder is None or name in super().names() else folder / DESCRIPTION


def _distribution(point: EntryPoint) -> str:
    return f"the distribution {point.dist.name}" if point.dist else point.value


def _registries() -> tuple[Registry[Method], Registry[Task], DatasetRegistry]:
    return (
        Registry("method", "methods", "ecgarena.methods"),
        Registry("task", "tasks", "ecgarena.tasks"),
        DatasetRegistry("dataset", "benchmark.datasets", "ecgarena.datasets"),
    )


METHODS, TASKS, DATASETS = _registries()
