"""The commands behind the command line; each takes the parsed options and returns an exit code."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import configuration
from benchmark.errors import COMPLETE, INCOMPLETE, SOME_FAILED, BenchmarkError, UsageError, did_you_mean, raise_all
from benchmark.paths import Home
from benchmark.registry import DATASETS, METHODS, TASKS, Registry

if TYPE_CHECKING:
    from benchmark.engine.plan import Plan

REGISTRIES: dict[str, Registry[Any]] = {"methods": METHODS, "tasks": TASKS, "datasets": DATASETS}


def list_names(options: argparse.Namespace) -> int:
    """Print names without importing what they name."""
    from benchmark.suite_files import suite_names

    names = {kind: registry.names() for kind, registry in REGISTRIES.items()} | {"suites": suite_names()}
    if options.kind:
        names = {options.kind: names[options.kind]}
    if options.json:
        print(json.dumps(names, indent=1))
        return COMPLETE
    for kind, found in names.items():
        print(f"{kind}:")
        for name in found:
            origin = REGISTRIES[kind].origin(name) if kind in REGISTRIES else "built-in"
            print(f"  {name}" + (f"  ({origin})" if origin != "built-in" else ""))
    return COMPLETE


def show(options: argparse.Namespace) -> int:
    """Print the card, the options and their defaults."""
    from benchmark.suite_files import suite_names, suite_path

    name = options.name
    for kind, registry in REGISTRIES.items():
        if name in registry.names():
            _show_class(kind.removesuffix("s"), name, registry)
            return COMPLETE
    if name in suite_names() or name.endswith(".toml"):
        print(suite_path(name).read_text("utf-8"))
        return COMPLETE
    known = [*(entry for registry in REGISTRIES.values() for entry in registry.names()), *suite_names()]
    raise UsageError(f"nothing is called {name!r}{did_you_mean(name, known)}")


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
            if value not in ((), {}, ""):
                print(f"  {field.name}: {value}")
    if hasattr(cls, "label_sets"):
        print("\nlabel sets:")
        for label_set, classes in cls.label_sets.items():
            print(f"  {label_set}: {len(classes)} classes: {', '.join(classes)}")
    print("\noptions:")
    for option, default in configuration.options(cls).items():
        print(f"  {option}" + ("" if default is inspect.Parameter.empty else f" = {default!r}"))


def prepare_data(options: argparse.Namespace) -> int:
    """Prepare a dataset and print what was found, left out and noticed."""
    from benchmark.data.preparation import Findings, prepare
    from benchmark.data.prepared import REPORT
    from benchmark.engine.events import Event, reporter

    config = configuration.parse_assignments(options.assignments)
    with reporter() as report:
        prepared = prepare(
            options.dataset,
            config,
            _home(options),
            options.root,
            lambda done, total: report(Event("step", f"preparing {options.dataset}", done, total)),
        )
    found = prepared.manifest
    splits = ", ".join(f"{split} {found['splits'].get(split, 0)}" for split in ("train", "val", "test"))
    print(
        f"{found['recordings']} recordings of {options.dataset} at {found['rate']:g} Hz ({splits}) in {prepared.path}"
    )
    print(f"digest {prepared.digest}")
    for line in Findings(**json.loads((prepared.path / REPORT).read_text("utf-8"))).summary():
        print(line)
    return COMPLETE


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
    home = _home(options)
    with reporter() as report:
        prepare(options.data, of_data, home, options.root)
        version = method.card.version
        weights = pretraining.pretrain(options.method, version, config, made, home, report, _device(options))
    print(f"{weights.weights}\nsha256 {weights.sha256}")
    return COMPLETE


def plan(options: argparse.Namespace) -> int:
    """Print what a run would do."""
    from benchmark.engine.plan import data_digests
    from benchmark.engine.store import Store

    home = _home(options)
    made = _plan(options)
    made.sort_by_state(Store(home.records), data_digests(made, home))
    if options.json:
        states = {"done": made.done, "failed": made.failed, "todo": made.todo}
        found = {
            state: [{"key": cell.spec.key, "cell": cell.title} for cell in cells] for state, cells in states.items()
        }
        print(json.dumps(found | {"skipped": [vars(skip) for skip in made.skipped]}, indent=1))
        return COMPLETE
    print(f"{len(made.cells)} cells: {len(made.done)} done, {len(made.failed)} failed, {len(made.todo)} to do")
    for job in made.jobs(made.todo):
        print(f"  {job.title}: {len(job.cells)} cells")
    for skip in made.skipped:
        print(f"  skipped: {skip.row} × {skip.task}: {skip.reason}")
    return COMPLETE


def run(options: argparse.Namespace) -> int:
    """Prepare, pre-train, run what is missing, print the leaderboard."""
    from benchmark.engine.events import Event, counting_cells, reporter
    from benchmark.engine.executors import executor
    from benchmark.engine.plan import data_digests
    from benchmark.engine.store import Store

    home, store = _home(options), Store(_home(options).records)
    made, runner = _plan(options), executor(options.executor, options.workers)
    with reporter(options.quiet) as report:
        _prepare_all(made, home, options.root, report)
        made.sort_by_state(store, data_digests(made, home))
        wanted = made.todo + (made.failed if options.retry_failed else [])
        for cell in wanted:
            store.discard(cell.spec)
        for skip in made.skipped:
            report(Event("note", f"skipped {skip.row} × {skip.task}: {skip.reason}"))
        report(Event("note", f"{len(made.cells)} cells: {len(made.done)} done before, {len(wanted)} to run"))
        runner.run(made.jobs(wanted), home, _device(options), counting_cells(report, len(wanted)))
    made.sort_by_state(store, data_digests(made, home))
    _write_leaderboard(made, store, home.leaderboards, ("md", "csv"), show=True)
    return _exit_code(made, retried=options.retry_failed)


def status(options: argparse.Namespace) -> int:
    """Counts by row and task; the exit code says whether the suite is complete."""
    from benchmark.engine.plan import data_digests
    from benchmark.engine.store import Store

    home = _home(options)
    made = _plan(options)
    made.sort_by_state(Store(home.records), data_digests(made, home))
    counts: dict[tuple[str, str], Counter[str]] = {}
    for state, cells in (("done", made.done), ("failed", made.failed), ("missing", made.todo)):
        for cell in cells:
            counts.setdefault((cell.row, cell.spec.task), Counter())[state] += 1
    rows = [{"method": row, "task": task, **found} for (row, task), found in counts.items()]
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print(f"{'method':20s} {'task':20s} {'done':>6s} {'failed':>6s} {'missing':>7s}")
        for row in rows:
            numbers = f"{row.get('done', 0):6d} {row.get('failed', 0):6d} {row.get('missing', 0):7d}"
            print(f"{row['method']:20s} {row['task']:20s} {numbers}")
        for cell in made.failed[:10]:
            record = Store(home.records).get(cell.spec)
            message = record.error["message"].splitlines()[0] if record and record.error else ""
            print(f"failed: {cell.title}: {message}")
    return SOME_FAILED if made.failed else (INCOMPLETE if made.todo else COMPLETE)


def leaderboard(options: argparse.Namespace) -> int:
    """Write and print the tables."""
    from benchmark.engine.store import Store
    from benchmark.leaderboard.tables import FORMATS

    formats = tuple(part for part in options.format.split(",") if part)
    wrong = [f"{part!r} is no format{did_you_mean(part, FORMATS)}" for part in formats if part not in FORMATS]
    raise_all(wrong, "--format:")
    home = _home(options)
    made = _plan(options)
    store = Store(options.records or home.records)
    made.sort_by_state(store)
    _write_leaderboard(made, store, options.out or home.leaderboards, formats, show=True)
    return _exit_code(made)


def collect(options: argparse.Namespace) -> int:
    """Write the record of every finished cell, and the cards of weights made here; the folder is a store by itself."""
    from benchmark.atomic import write_text
    from benchmark.engine.pretraining import CARD, HISTORY, pretrained_folder
    from benchmark.engine.store import RECORD, Store, record_text

    made, source, target = _plan(options), Store(_home(options).records), Store(options.out)
    made.sort_by_state(source)
    for cell in made.done:
        record = source.get(cell.spec)
        if record is not None:
            write_text(target.folder(cell.spec) / RECORD, record_text(record))
        spec = cell.spec
        if spec.pretraining is not None:  # the card and the loss curve of the weights, not the weights
            recipe = (spec.method, spec.method_version, spec.method_config, spec.pretraining)
            made_in = pretrained_folder(*recipe, _home(options))
            for name in (CARD, HISTORY):
                if (made_in / name).is_file():
                    write_text(options.out / "pretrained" / made_in.name / name, (made_in / name).read_text("utf-8"))
    print(f"{len(made.done)} of {len(made.cells)} records in {options.out}")
    return _exit_code(made)


def _home(options: argparse.Namespace) -> Home:
    return Home(options.home.absolute()) if options.home else Home.default()


def _device(options: argparse.Namespace) -> str:
    from benchmark.engine.building import checked_device

    return checked_device(options.device)


def _plan(options: argparse.Namespace) -> Plan:
    from benchmark.engine.plan import make_plan
    from benchmark.engine.suites import load_suite

    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit is {options.limit}, it must be at least 1")
    suite = load_suite(options.suite, configuration.parse_assignments(options.assignments))
    return make_plan(suite, options.methods, options.tasks, options.limit)


def _prepare_all(made: Plan, home: Home, root: Path | None, report: Any) -> None:
    """Prepare every dataset that cells or pre-training need; all that are missing become one error."""
    from benchmark.data.preparation import prepare
    from benchmark.engine.events import Event
    from benchmark.errors import MissingError

    needed: dict[str, tuple[str, dict[str, Any]]] = {}
    for cell in made.cells:
        spec = cell.spec
        wanted = [(spec.dataset, spec.dataset_config)]
        if spec.pretraining:
            wanted.append((spec.pretraining["dataset"], spec.pretraining["dataset_config"]))
        needed |= {json.dumps(entry, sort_keys=True): entry for entry in wanted}
    problems = []
    for name, config in needed.values():

        def progress(done: int, total: int, name: str = name) -> None:
            report(Event("step", f"preparing {name}", done, total))

        try:
            prepare(name, config, home, root / name if root and DATASETS.get(name).needs_root else None, progress)
        except BenchmarkError as error:
            problems.append(str(error))
    raise_all(problems, "not all data is at hand:", MissingError)


def _write_leaderboard(made: Plan, store: Any, out: Path, formats: tuple[str, ...], show: bool) -> None:
    from benchmark.atomic import write_text
    from benchmark.leaderboard.tables import Leaderboard

    board = Leaderboard(made, store)
    if show:
        board.show()
    name = made.suite.name + ("-partial" if board.partial else "")
    for kind, text in (("md", board.markdown), ("csv", board.csv)):
        if kind in formats:
            write_text(out / f"{name}.{kind}", text())
            print(f"written: {out / f'{name}.{kind}'}")


def _exit_code(made: Plan, retried: bool = False) -> int:
    if made.failed:
        again = "" if retried else "; 'run --retry-failed' runs them again"
        print(f"{len(made.failed)} cells failed ('ecgbench status {made.suite.name}' names them){again}")
        return SOME_FAILED
    if made.todo:
        print(f"{len(made.todo)} cells are missing; 'ecgbench run {made.suite.name}' runs them")
        return INCOMPLETE
    return COMPLETE
