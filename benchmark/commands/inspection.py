"""``list`` and ``show``: the methods, tasks, datasets and suites, and their options."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmark import configuration
from benchmark.commands.catalogue import add_command
from benchmark.commands.options import add_json, print_json
from benchmark.errors import COMPLETE, UsageError, did_you_mean
from benchmark.registry import DATASETS, METHODS, TASKS, Registry

REGISTRIES: dict[str, Registry[Any]] = {"methods": METHODS, "tasks": TASKS, "datasets": DATASETS}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "list")
    sub.add_argument("kind", nargs="?", choices=("methods", "tasks", "datasets", "suites"), help="default: all")
    add_json(sub)
    sub.set_defaults(function=list_names)
    sub = add_command(commands, "show")
    sub.add_argument("name", help="name of a method, task, dataset or suite; a suite's file as well")
    add_json(sub)
    sub.set_defaults(function=show)


def list_names(options: argparse.Namespace) -> int:
    """Print names without importing the classes behind them; of one kind, a line for each built-in one as well."""
    from benchmark.planning.suite_files import suite_names

    names = {kind: registry.names() for kind, registry in REGISTRIES.items()} | {"suites": suite_names()}
    if options.kind:
        names = {options.kind: names[options.kind]}
    if options.json:
        print_json(names)
        return COMPLETE
    for kind, entries in names.items():
        print(f"{kind}:")
        for line in _described_lines(kind, entries) if options.kind else _bare_lines(kind, entries):
            print(f"  {line}")
    for sentence in (line for kind in names if kind in REGISTRIES for line in REGISTRIES[kind].conflicts()):
        print(f"ecgarena: {sentence}", file=sys.stderr)
    return COMPLETE


def _bare_lines(kind: str, names: list[str]) -> list[str]:
    origins = {name: REGISTRIES[kind].origin(name) if kind in REGISTRIES else "built-in" for name in names}
    return [name if origin == "built-in" else f"{name}  ({origin})" for name, origin in origins.items()]


def _described_lines(kind: str, names: list[str]) -> list[str]:
    from benchmark.commands.listing import described_names

    width = max(map(len, names), default=0)
    return [f"{name:{width}s}  {words}" for name, words in described_names(kind, names).items()]


def show(options: argparse.Namespace) -> int:
    """Print the card, the options and their defaults."""
    from benchmark.planning.suite_files import suite_names, suite_path

    name = options.name
    for kind, registry in REGISTRIES.items():
        if name in registry.names():
            if options.json:
                print_json(_describe(kind.removesuffix("s"), name, registry))
            else:
                _show_class(kind.removesuffix("s"), name, registry)
                if name in suite_names():
                    print(f"\na suite has this name, too: {suite_path(name)}")
            return COMPLETE
    if name in suite_names() or name.endswith(".toml"):
        path = suite_path(name)
        if options.json:
            from benchmark.errors import raise_all
            from benchmark.toml_values import read_toml, value_problems

            content = read_toml(path)
            raise_all(list(value_problems(content)), f"{path} is wrong:")
            print_json({"kind": "suite", "name": name, "suite": content})
        else:
            print(path.read_text("utf-8", "replace"))
        return COMPLETE
    choices = [*(entry for registry in REGISTRIES.values() for entry in registry.names()), *suite_names()]
    raise UsageError(f"nothing is called {name!r}{did_you_mean(name, choices)}")


def _describe(kind: str, name: str, registry: Registry[Any]) -> dict[str, Any]:
    """Return the output of `show` as JSON; an option without a default is null and listed as required."""
    import dataclasses
    import inspect

    from benchmark.canonical import canonical

    cls: Any = registry.get(name)
    options = configuration.options(cls)
    card = getattr(cls, "card", None)
    description = {
        "kind": kind,
        "name": name,
        "origin": registry.origin(name),
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "about": inspect.cleandoc(cls.__doc__ or ""),
        "card": dataclasses.asdict(card) if card is not None else None,
        "options": {o: None if d is inspect.Parameter.empty else canonical(d) for o, d in options.items()},
        "required": [o for o, d in options.items() if d is inspect.Parameter.empty],
    }
    if kind != "dataset":
        return description
    targets = {target: dataclasses.asdict(about) for target, about in cls.targets.items()}
    return description | {"label_sets": cls.all_label_sets(), "targets": targets}


def _show_class(kind: str, name: str, registry: Registry[Any]) -> None:
    import dataclasses
    import inspect

    cls: Any = registry.get(name)
    print(f"{kind} {name} ({registry.origin(name)}, {cls.__module__}.{cls.__qualname__})\n")
    print(inspect.cleandoc(cls.__doc__ or ""))
    card = getattr(cls, "card", None)
    if card is not None:
        print("\ncard:")
        for field in dataclasses.fields(card):
            value = getattr(card, field.name)
            if field.name == "weights":
                _show_weights(value)
            elif value not in ((), {}, ""):
                print(f"  {field.name}: {value}")
    if kind == "dataset":
        _show_places(cls)
    print("\noptions:")
    for option, default in configuration.options(cls).items():
        print(f"  {option}" + ("" if default is inspect.Parameter.empty else f" = {default!r}"))


def _show_places(dataset: Any) -> None:
    """Print label sets with their classes, and targets with unit and range."""
    none = " none, its reports serve pre-training and report generation"
    print(f"\nlabel sets:{'' if dataset.all_label_sets() else none}")
    for label_set, classes in dataset.all_label_sets().items():
        table = dataset.optional_tables.get(label_set, "")
        origin = f" (where {table} is at hand)" if table else ""
        print(f"  {label_set}: {len(classes)} classes{origin}: {', '.join(classes)}")
    if dataset.targets:
        print("\ntargets (numbers):")
    for name, target in dataset.targets.items():
        about = f"; {target.about}" if target.about else ""
        outside = f"; {target.outside}" if target.outside else ""
        print(f"  {name}: {target.low:g} to {target.high:g} {target.unit}{about}{outside}")


def _show_weights(weights: dict[str, Any]) -> None:
    """Print each tag with its source, licence and checksum; unpublished checksums are named as such."""
    for tag, entry in weights.items():
        print(f"  weights tag:{tag}: {entry.file + ' from ' if entry.file else ''}{entry.url}")
        print(f"    licence: {entry.licence}")
        print(f"    sha256: {entry.sha256 or 'not published; records hold that of the file they used'}")
