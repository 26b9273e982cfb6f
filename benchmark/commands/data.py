"""``data``: bring original files into the memory-mapped store."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmark import configuration
from benchmark.commands.options import add_home, add_set, home_of
from benchmark.errors import COMPLETE


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="prepare datasets")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    prepare = actions.add_parser("prepare", help="read the original files once into a memory-mapped store")
    prepare.add_argument("dataset")
    prepare.add_argument("--root", type=Path, help="folder with the original files (default: $ECGBENCH_DATA/DATASET)")
    prepare.add_argument("--workers", type=int, default=1, help="processes that read recordings (default: 1)")
    add_set(prepare, "an option of the dataset, such as rate=500")
    add_home(prepare)
    prepare.set_defaults(function=prepare_data)


def prepare_data(options: argparse.Namespace) -> int:
    """Prepare a dataset and print what was found, left out and noticed."""
    from benchmark.data.preparation import prepare, read_findings
    from benchmark.engine.events import Event, reporter

    config = configuration.parse_assignments(options.assignments)
    with reporter() as report:
        pace = Pace()
        prepared = prepare(
            options.dataset,
            config,
            home_of(options),
            options.root,
            lambda done, total: report(
                Event("step", f"preparing {options.dataset}", done, total, pace.values(done, total))
            ),
            options.workers,
            lambda text: report(Event("note", text)),
        )
    found = prepared.manifest
    splits = ", ".join(f"{split} {found['splits'].get(split, 0)}" for split in ("train", "val", "test"))
    print(
        f"{found['recordings']} recordings of {options.dataset} at {found['rate']:g} Hz ({splits}) in {prepared.path}"
    )
    print(f"digest {prepared.digest}, of the splits {found.get('split_digest', 'not kept')}")
    for line in [*prepared.marks, *read_findings(prepared).summary()]:
        print(line)
    return COMPLETE


class Pace:
    """Recordings per second since the first call, and the minutes that the rest takes at this pace."""

    def __init__(self) -> None:
        self.start: tuple[float, int] | None = None

    def values(self, done: int, total: int) -> dict[str, float]:
        now = time.monotonic()
        self.start = self.start or (now, done)
        seconds, read = now - self.start[0], done - self.start[1]
        if not read or not seconds:
            return {}
        return {"per second": read / seconds, "minutes left": (total - done) * seconds / read / 60}
