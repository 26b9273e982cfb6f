"""``pretrain``: the weights of one method alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark import configuration
from benchmark.commands.options import add_device, add_home, add_set, device_of, home_of
from benchmark.errors import COMPLETE
from benchmark.registry import METHODS


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("pretrain", help="pre-train a method on a dataset's reports")
    sub.add_argument("method")
    sub.add_argument("--data", required=True, metavar="DATASET")
    sub.add_argument("--root", type=Path, help="folder with the dataset's original files")
    sub.add_argument("--data-set", action="append", default=[], metavar="KEY=VALUE", help="an option of the dataset")
    add_set(sub, "an option of the method (width=32) or of the training (training.epochs=10)")
    add_device(sub)
    add_home(sub)
    sub.set_defaults(function=pretrain)


def pretrain(options: argparse.Namespace) -> int:
    """Pre-train one method; the same options find the same weights again."""
    from benchmark.data.preparation import prepare
    from benchmark.engine import pretraining
    from benchmark.engine.events import reporter
    from benchmark.engine.plan import recipe

    given = configuration.parse_assignments(options.assignments)
    training = {key.removeprefix("training."): value for key, value in given.items() if key.startswith("training.")}
    method = METHODS.get(options.method)
    chosen = {key: value for key, value in given.items() if not key.startswith("training.")}
    config = configuration.distinct(method, chosen, f"method {options.method}")
    of_data = configuration.parse_assignments(options.data_set)
    made = recipe(options.method, method, options.data, of_data, training)
    home = home_of(options)
    with reporter() as report:
        prepare(options.data, of_data, home, options.root)
        version = method.card.version
        weights = pretraining.pretrain(options.method, version, config, made, home, report, device_of(options))
    print(f"{weights.weights}\nsha256 {weights.sha256}")
    return COMPLETE
