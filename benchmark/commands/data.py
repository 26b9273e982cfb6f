"""``data``: read original files into the memory-mapped store, and check the store."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import configuration
from benchmark.commands.catalogue import add_command, add_described
from benchmark.commands.options import (
    DATASET_HELP,
    add_home,
    add_json,
    add_quiet,
    add_set,
    home_of,
    print_json,
    remove_leftovers_of_kills,
    reporter_of,
)
from benchmark.errors import COMPLETE, MISSING, MissingError
from benchmark.paths import dataset_root


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = add_command(commands, "data")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    prepare = add_described(actions, "prepare", "read the original files of a dataset once into a memory-mapped store")
    prepare.add_argument("dataset", help=DATASET_HELP)
    prepare.add_argument("--root", type=Path, help="folder with the original files (default: $ECGARENA_DATA/DATASET)")
    prepare.add_argument("--workers", type=int, default=1, help="processes that read recordings (default: 1)")
    add_set(prepare, "an option of the dataset, such as rate=500")
    add_home(prepare)
    add_json(prepare)
    add_quiet(prepare)
    prepare.set_defaults(function=prepare_data)
    check = add_described(actions, "check", "verify a prepared dataset; exit code 5 when something is wrong")
    check.add_argument("dataset", help=DATASET_HELP)
    check.add_argument("--originals", action="store_true", help="read the original files again and compare them")
    check.add_argument("--root", type=Path, help="folder with the original files (default: $ECGARENA_DATA/DATASET)")
    add_set(check, "an option of the dataset, such as rate=500")
    add_home(check)
    add_json(check)
    check.set_defaults(function=check_data)
    reports = add_described(
        actions, "reports", "describe the reports of a prepared dataset: phrases taken out, copies, statements"
    )
    reports.add_argument("dataset", help=DATASET_HELP)
    reports.add_argument(
        "--splits",
        nargs="+",
        default=["val", "test"],
        metavar="SPLIT",
        help="splits whose statements are compared with labels (default: val test)",
    )
    reports.add_argument("--findings", metavar="LABEL_SET", help="label set of findings to compare the labeller with")
    add_set(reports, "an option of the dataset, such as rate=500")
    add_home(reports)
    add_json(reports)
    reports.set_defaults(function=survey_reports)


def prepare_data(options: argparse.Namespace) -> int:
    """Prepare a dataset; print counts, splits, digests, warnings and recordings left out."""
    from benchmark.data.store.preparation import prepare, read_preparation_log
    from benchmark.engine.events import Event

    config = configuration.parse_assignments(options.assignments)
    with reporter_of(options) as on_event:
        pace, home = Pace(), home_of(options)
        remove_leftovers_of_kills(home, on_event)
        data = prepare(
            options.dataset,
            config,
            home,
            options.root,
            lambda done, total: on_event(
                Event("step", f"preparing {options.dataset}", done, total, pace.values(done, total))
            ),
            options.workers,
            lambda text: on_event(Event("note", text)),
        )
    manifest = data.manifest
    unlabelled = [note for name in data.places if (note := data.unlabelled(name))]
    notices = [*data.warnings, *unlabelled, *read_preparation_log(data).summary()]
    if options.json:
        summary = {name: manifest.get(name) for name in ("recordings", "rate", "splits", "split_digest")}
        where = {"dataset": options.dataset, "path": str(data.path), "digest": data.digest}
        print_json({**where, **summary, "noticed": notices})
        return COMPLETE
    splits = ", ".join(f"{split} {manifest['splits'].get(split, 0)}" for split in ("train", "val", "test"))
    print(
        f"{manifest['recordings']} recordings of {options.dataset} at {manifest['rate']:g} Hz ({splits}) in {data.path}"
    )
    print(f"digest {data.digest}, of the splits {manifest.get('split_digest', 'not kept')}")
    for line in notices:
        print(line)
    return COMPLETE


def survey_reports(options: argparse.Namespace) -> int:
    """Print the effect of hygiene, the share of test copied from train, and how well statements are found."""
    from benchmark.data.store.preparation import open_dataset
    from benchmark.errors import UsageError
    from benchmark.reporting.finding_check import check_label_set, format_checks
    from benchmark.reporting.report_statistics import format_statistics, report_statistics

    wrong = set(options.splits) - {"train", "val", "test"}
    if wrong:
        raise UsageError(f"--splits: {', '.join(sorted(wrong))} is none of train, val, test")
    config = configuration.parse_assignments(options.assignments)
    data = open_dataset(options.dataset, config, home_of(options))
    checks = check_label_set(data, options.findings) if options.findings else []
    statistics = report_statistics(data, options.splits)
    if options.json:
        findings = {"findings": [asdict(check) for check in checks]} if checks else {}
        print_json({"dataset": options.dataset, **statistics, **findings})
        return COMPLETE
    print(format_statistics(statistics))
    if checks:
        note = data.sparse_label_sets[options.findings].note
        print(f"the labeller against {options.findings} of all splits; {note}\n{format_checks(checks)}")
    return COMPLETE


def _original_root(options: argparse.Namespace, dataset: Any) -> Path | None:
    root = dataset_root(options.dataset, options.root)
    if root is None or not root.is_dir():
        raise MissingError(f"--originals: the original files of {options.dataset} are not known; {dataset.remedy}")
    return root


def check_data(options: argparse.Namespace) -> int:
    """Check a prepared dataset; print each problem with the names concerned and a remedy."""
    from benchmark.data.store.checking import check
    from benchmark.data.store.preparation import open_dataset
    from benchmark.registry import DATASETS

    config = configuration.parse_assignments(options.assignments)
    data = open_dataset(options.dataset, config, home_of(options))
    dataset = DATASETS.get(options.dataset)(**config)
    result = check(data, dataset, _original_root(options, dataset) if options.originals else None)
    if options.json:
        print_json(result.to_json())
        return MISSING if result.wrong else COMPLETE
    print(f"{result.recordings} recordings of {result.dataset} in {result.path}, digest {result.digest}")
    for name, findings in result.findings.items():
        print(f"{name}: {'WRONG' if any(finding.wrong for finding in findings) else 'ok'}")
        for finding in findings:
            count = f"{finding.count} " if finding.names else ""
            more = ", ..." if finding.count > len(finding.names) else ""
            names = f": {', '.join(finding.names)}{more}" if finding.names else ""
            print(f"  {'- ' if finding.wrong else '(note) '}{count}{finding.problem}{names}")
            if finding.remedy and finding.wrong:
                print(f"    -> {finding.remedy}")
    print(f"{result.wrong} things are wrong" if result.wrong else "nothing is wrong")
    return MISSING if result.wrong else COMPLETE


class Pace:
    """Recordings per second since the first call, and the minutes left at this pace."""

    def __init__(self) -> None:
        self.start: tuple[float, int] | None = None

    def values(self, done: int, total: int) -> dict[str, float]:
        now = time.monotonic()
        self.start = self.start or (now, done)
        seconds, read = now - self.start[0], done - self.start[1]
        if not read or not seconds:
            return {}
        return {"per second": read / seconds, "minutes left": (total - done) * seconds / read / 60}
