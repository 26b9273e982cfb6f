"""``pretrain``: pre-training of one method, in one process or in several started by torchrun."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark import configuration
from benchmark.commands.catalogue import add_command
from benchmark.commands.options import (
    DATASET_HELP,
    add_device,
    add_home,
    add_json,
    add_quiet,
    add_set,
    device_of,
    home_of,
    print_json,
    remove_leftovers_of_kills,
    reporter_of,
)
from benchmark.errors import COMPLETE, UsageError
from benchmark.registry import METHODS


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "pretrain")
    sub.add_argument("method", help="name of a method, as in `ecgarena list methods`")
    sub.add_argument("--data", required=True, metavar="DATASET", help=DATASET_HELP)
    sub.add_argument("--root", type=Path, help="folder with the dataset's original files")
    sub.add_argument("--data-set", action="append", default=[], metavar="KEY=VALUE", help="an option of the dataset")
    add_set(sub, "an option of the method (width=32) or of the training (training.epochs=10)")
    sub.add_argument(
        "--checkpoint-every",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="time between checkpoints within an epoch (default: 600); each epoch ends with one in any case",
    )
    add_device(sub)
    add_home(sub)
    add_json(sub)
    add_quiet(sub)
    sub.set_defaults(function=pretrain)


def pretrain(options: argparse.Namespace) -> int:
    """Pre-train one method; with the same options, existing weights are reused."""
    from benchmark.data.store.preparation import prepare
    from benchmark.engine import distributed, pretraining
    from benchmark.engine.preemption import stopping_on_signals
    from benchmark.planning.blocks import recipe
    from benchmark.records.spec import datasets_of_recipe

    assignments = configuration.parse_assignments(options.assignments)
    training = {
        key.removeprefix("training."): value for key, value in assignments.items() if key.startswith("training.")
    }
    method = METHODS.get(options.method)
    method_config = {key: value for key, value in assignments.items() if not key.startswith("training.")}
    config = configuration.distinct(method, method_config, f"method {options.method}")
    of_data = configuration.parse_assignments(options.data_set)
    weights_recipe = recipe(options.method, method, options.data, of_data, training)
    if options.checkpoint_every <= 0:
        raise UsageError(f"--checkpoint-every is {options.checkpoint_every}, it must be positive")
    home = home_of(options)
    with (
        stopping_on_signals(),
        distributed.process_group(device_of(options)) as device,
        reporter_of(options) as on_event,
    ):
        if distributed.rank() == 0:
            remove_leftovers_of_kills(home, on_event)
            prepare(options.data, of_data, home, options.root)
            for name, config_of_choosing in datasets_of_recipe(weights_recipe)[1:]:  # whose labels choose the epoch
                prepare(name, config_of_choosing, home, None)
        distributed.everyone(None)  # the other processes wait until the data is prepared
        version = method.card.version
        weights = pretraining.pretrain(
            options.method, version, config, weights_recipe, home, on_event, device, options.checkpoint_every
        )
        first = distributed.rank() == 0
    if first and options.json:
        print_json({"weights": str(weights.weights), "sha256": weights.sha256})
    elif first:
        print(f"{weights.weights}\nsha256 {weights.sha256}")
    return COMPLETE
