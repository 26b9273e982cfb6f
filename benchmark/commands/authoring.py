"""``new`` and ``check``: start a method, a task or a dataset, and check it against the contract."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import configuration
from benchmark.commands.catalogue import add_command
from benchmark.commands.options import add_home, add_json, add_set, home_of, print_json
from benchmark.errors import COMPLETE, SOME_FAILED, UsageError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.api import Method, Task
    from benchmark.contract import Checks
    from benchmark.contract.tasks import DataAtHand
    from benchmark.data.store.prepared import PreparedDataset

KINDS = ("method", "task", "dataset")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "new")
    sub.add_argument("kind", choices=KINDS, help="what to write")
    sub.add_argument("name", help="its name: small letters, digits and _")
    sub.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for a package of its own (default: into this checkout)"
    )
    sub.set_defaults(function=new)
    sub = add_command(commands, "check")
    sub.add_argument("name", help="name of a method, task or dataset")
    sub.add_argument("--python", metavar="PATH", help="of a method: the interpreter that it runs in, if not this one")
    sub.add_argument("--weights", type=Path, metavar="FILE", help="of a method: load this checkpoint before the checks")
    sub.add_argument("--root", type=Path, help="of a dataset: the folder with the original files")
    sub.add_argument("--dataset", help="of a method or a task: a prepared dataset, in place of synthetic data")
    sub.add_argument("--label-set", help="of a task, with --dataset: the label set or target")
    sub.add_argument("--data-set", action="append", default=[], metavar="KEY=VALUE", help="an option of the dataset")
    add_set(sub, "an option of it, such as width=16")
    add_home(sub)
    add_json(sub)
    sub.set_defaults(function=check)


def new(options: argparse.Namespace) -> int:
    """Write the files and print the next commands to type."""
    from benchmark.scaffold import next_steps, plan_files, write_files

    files = plan_files(options.kind, options.name, options.out)
    write_files(files)
    for path in files:
        print(f"written: {path}")
    print("\nnext:")
    for step in next_steps(options.kind, options.name, options.out):
        print(f"  {step}")
    if options.kind == "dataset":
        print(
            "\nFOLDER holds your original files. The module reads WFDB records beside an index.csv until you change it."
        )
    if options.out is None:
        print("\nbefore a change is sent: python tests/test_versions.py pins the options" + _case(options.kind))
    return COMPLETE


def _case(kind: str) -> str:
    return ", a line in CASES of tests/methods/test_contract.py" if kind == "method" else ""


def check(options: argparse.Namespace) -> int:
    """Run every check; print a line for each, then every reason for a failure once."""
    from benchmark.commands.inspection import REGISTRIES
    from benchmark.contract import outcome

    if options.python is not None:
        from benchmark.external.method import use_interpreter

        use_interpreter(options.name, options.python)
    kinds = [kind for kind, registry in REGISTRIES.items() if options.name in registry.names()]
    if not kinds:
        names = [name for registry in REGISTRIES.values() for name in registry.names()]
        raise UsageError(f"no method, task or dataset is called {options.name!r}{did_you_mean(options.name, names)}")
    kind = kinds[0].removesuffix("s")
    registry = REGISTRIES[kinds[0]]
    if kind == "dataset" and (options.dataset or options.label_set or options.data_set):
        raise UsageError(f"{options.name} is a dataset; --dataset, --label-set and --data-set are not for it")
    if kind == "method" and options.label_set:
        raise UsageError(f"{options.name} is a method; --label-set is for tasks")
    if kind != "method" and options.weights:
        raise UsageError(f"{options.name} is a {kind}; --weights is for methods")
    checks = _checks(kind, options.name, registry.get(options.name), options)
    result = outcome(checks)
    wrong = result.failures
    origin = options.python or registry.origin(options.name)
    if options.json:
        results = {name: {"passed": name not in wrong, "reason": wrong.get(name)} for name in checks}
        for name, reason in result.left_out.items():
            results[name]["left_out"] = reason
        print_json({"kind": kind, "name": options.name, "origin": origin, "checks": results})
        return SOME_FAILED if wrong else COMPLETE
    print(f"{kind} {options.name} ({origin})")
    for name in checks:
        if name in result.left_out:
            print(f"  left out  {name}: {result.left_out[name]}")
        else:
            print(f"  {'FAILED' if name in wrong else 'passed'}  {name}")
    for reason in dict.fromkeys(wrong.values()):
        print(f"\n{', '.join(name for name in wrong if wrong[name] == reason)}: {reason}")
    if wrong:
        print("\nThe docstrings of benchmark.api say what is promised, and why.")
    return SOME_FAILED if wrong else COMPLETE


def _checks(kind: str, name: str, cls: type[Any], options: argparse.Namespace) -> Checks:
    config = configuration.parse_assignments(options.assignments)
    if kind == "method":
        from benchmark.contract.methods import method_checks
        from benchmark.engine.building import build

        method = build(name, config, options.weights)
        unused, recordings = getattr(cls, "unused", ()), _recordings_at_hand(method, options)
        return method_checks(method, build(name, config, seed=1), unused, at_hand=recordings)
    config = configuration.complete(cls, config, f"{kind} {name}")
    if kind == "task":
        from benchmark.contract.tasks import task_checks

        task = cls(**config)
        return task_checks(task, name, _data_at_hand(task, options))
    from benchmark.contract.datasets import dataset_checks
    from benchmark.paths import dataset_root

    dataset = cls(**config)
    root = dataset_root(name, options.root)
    if dataset.needs_root and (root is None or not root.is_dir()):
        raise UsageError(
            f"the original files of {name} are not known: --root FOLDER or $ECGARENA_DATA; {dataset.remedy}"
        )
    return dataset_checks(dataset, root=root)


def _data_at_hand(task: Task, options: argparse.Namespace) -> DataAtHand | None:
    """Return the prepared dataset that ``--dataset`` names, with its label set; None without the option.

    Raises `UsageError` for names that do not exist and for label sets that the task cannot be asked on, and
    `MissingError` for a dataset that is not prepared.
    """
    from benchmark.contract.tasks import DataAtHand
    from benchmark.registry import DATASETS

    if _names_no_dataset(options):
        return None
    cls = DATASETS.get(options.dataset)
    names = [*cls.all_label_sets(), *cls.targets]
    if options.label_set is None:
        raise UsageError(f"--dataset needs a --label-set; {options.dataset} has {', '.join(names)}")
    if options.label_set not in names:
        near = did_you_mean(options.label_set, names)
        raise UsageError(f"--label-set: {options.dataset} has no {options.label_set!r}{near}")
    if task.rotations():
        raise UsageError("a task that rotates over folds is checked on synthetic recordings alone: leave out --dataset")
    return DataAtHand(_open_data(options), options.dataset, options.label_set)


def _recordings_at_hand(method: Method, options: argparse.Namespace) -> Tensor | None:
    """Return the first usable recordings of the dataset that ``--dataset`` names, in the form that a method wants.

    Raises `UsageError` where it has too few, and as `_data_at_hand` does; None without the option.
    """
    import numpy as np
    import torch

    from benchmark.contract.methods import RECORDINGS

    if _names_no_dataset(options):
        return None
    data = _open_data(options)
    rows = np.setdiff1d(np.arange(len(data)), data.unusable(method.signal))[:RECORDINGS]
    if len(rows) < RECORDINGS:
        raise UsageError(f"{options.name} can use {len(rows)} recordings of {options.dataset}; {RECORDINGS} are needed")
    return torch.from_numpy(data.read(rows, method.signal))


def _names_no_dataset(options: argparse.Namespace) -> bool:
    """Whether ``--dataset`` is absent; raise `UsageError` for options of a dataset without it."""
    if options.dataset is None and (options.label_set or options.data_set):
        raise UsageError("--label-set and --data-set are of a dataset: name it with --dataset")
    return options.dataset is None


def _open_data(options: argparse.Namespace) -> PreparedDataset:
    from benchmark.data.store.preparation import open_dataset
    from benchmark.registry import DATASETS

    cls = DATASETS.get(options.dataset)
    config = configuration.complete(cls, configuration.parse_assignments(options.data_set), options.dataset)
    return open_dataset(options.dataset, configuration.distinct(cls, config, options.dataset), home_of(options))
