"""``plan --cost``: estimated hours by stage, from earlier records, and missing data, before anything is queued."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from benchmark.api import Dataset, MethodCard
from benchmark.commands.options import home_of, plan_of
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.tuning import Search, look
from benchmark.errors import COMPLETE, MISSING, BenchmarkError
from benchmark.paths import Home, dataset_root
from benchmark.planning.plan import Plan, group_cells
from benchmark.planning.standing import standings_at
from benchmark.planning.tuning import tunings
from benchmark.records.index import read_index
from benchmark.records.spec import datasets_of, datasets_of_recipe
from benchmark.registry import DATASETS, METHODS
from slurm.estimates import DEFAULTS, Estimates
from slurm.planner import Layout, lay_out
from slurm.profiles import Profile, load_profile


@dataclass
class StageCost:
    """Jobs, cells and hours of one stage of the grid."""

    stage: str
    jobs: int = 0
    cells: int = 0
    hours: float = 0.0  # sum over its jobs
    gpu_hours: float = 0.0
    cpu_hours: float = 0.0


def print_cost(options: argparse.Namespace) -> int:
    """Print the estimated cost of a plan; return exit code 5 if data is missing that a run would need."""
    home, plan = home_of(options), plan_of(options)
    standings = standings_at(plan, home)
    profile = load_profile(options.profile or "default", options.resource)
    estimates = Estimates(read_index(home).values(), home)
    size = profile.limits.max_array_size or 1001
    layout = lay_out(group_cells(standings.to_run), standings.finished_cells, profile, estimates, home, size)
    tuned_rows = tuning_cost(plan, options.methods, home, profile, estimates)
    stages, missing = [*tuned_rows.stages, *costs(layout)], missing_data(plan, home)
    if options.json:
        content = {"stages": [vars(stage) for stage in stages], "missing": missing, "licences": licences(plan)}
        content |= {"trials_measured": tuned_rows.measured_trials, "trials_guessed": tuned_rows.guessed_trials}
        content["skipped"] = [vars(skip) for skip in plan.rows_without_weights]
        print(json.dumps(content | {"measured": layout.measured_cells, "guessed": layout.guessed_cells}, indent=1))
        return MISSING if missing else COMPLETE
    complete, failures, to_do = len(standings.finished_cells), len(standings.failed_cells), len(standings.to_run)
    print(f"{len(plan.cells)} cells: {complete} done, {failures} failed, {to_do} to do")
    print(f"{'stage':10s} {'jobs':>6s} {'cells':>7s} {'hours':>8s} {'GPU-hours':>10s} {'CPU-hours':>10s}")
    for stage in [*stages, total(stages)]:
        numbers = f"{stage.jobs:6d} {stage.cells:7d} {stage.hours:8.1f} {stage.gpu_hours:10.1f} {stage.cpu_hours:10.1f}"
        print(f"{stage.stage:10s} {numbers}")
    guesses = ", ".join(f"{name} {seconds:g} s" for name, seconds in DEFAULTS.items())
    print(
        f"the time of {layout.measured_cells} cells comes from earlier records, "
        f"that of {layout.guessed_cells} from defaults ({guesses}; "
        "pretrain at a paper's size: its steps on H200, without reading and validation)"
    )
    if tuned_rows.stages:
        trainings, measured_trials = stages[0].cells, tuned_rows.measured_trials
        print(f"tune: {trainings} trainings of trials are left; {measured_trials} times come from earlier trainings")
    for line in missing:
        print(f"missing: {line}")
    for skip in plan.rows_without_weights:
        print(f"skipped: {skip.row} × {skip.task}: {skip.reason}")
    for line in licences(plan):
        print(f"licence: {line}")
    return MISSING if missing else COMPLETE


def costs(layout: Layout) -> list[StageCost]:
    by_stage: dict[str, StageCost] = {}
    for unit in layout.units:
        stage = by_stage.setdefault(unit.stage, StageCost(unit.stage))
        hours, resources = unit.seconds / 3600, unit.resources
        stage.jobs += 1
        stage.cells += len(unit.cells)
        stage.hours += hours
        stage.gpu_hours += hours * resources.gpu_count
        stage.cpu_hours += hours * resources.cpus * resources.tasks * resources.nodes
    return list(by_stage.values())


@dataclass
class TuningCost:
    """The trials that are left: a stage if there are any, and how many times were measured."""

    stages: list[StageCost]
    measured_trials: int = 0
    guessed_trials: int = 0


def tuning_cost(plan: Plan, methods: Collection[str], home: Home, profile: Profile, estimates: Estimates) -> TuningCost:
    """Estimate the trials of the suite's tuned rows that have not run yet, with a row's own values in each."""
    rows = [row for row in tunings(plan.suite) if not methods or row.row in methods]
    stage, cost = StageCost("tune"), TuningCost([])
    for row in rows:
        search, resources = look(row, home), profile.resources("pretrain", row.row)
        stage.jobs += len(search.progress.jobs)
        for rung, size in enumerate(row.sizes):
            left = 0 if search.progress.finished else size - _trained(search, rung)
            estimate = estimates.trial(row.training(row.own or {}, rung))
            hours = left * estimate.seconds / 3600
            stage.cells, stage.hours = stage.cells + left, stage.hours + hours
            stage.gpu_hours += hours * resources.gpu_count
            stage.cpu_hours += hours * resources.cpus
            cost.measured_trials += left if estimate.cells else 0
            cost.guessed_trials += 0 if estimate.cells else left
    cost.stages = [stage] if stage.cells else []
    return cost


def _trained(search: Search, rung: int) -> int:
    """Return how many trials have been trained for a rung, failed ones among them."""
    return sum(len(trial.rungs) > rung or bool(trial.error) for trial in search.trials.values())


def total(stages: list[StageCost]) -> StageCost:
    whole = StageCost("all")
    for stage in stages:
        for name in ("jobs", "cells", "hours", "gpu_hours", "cpu_hours"):
            setattr(whole, name, getattr(whole, name) + getattr(stage, name))
    return whole


def missing_data(plan: Plan, home: Home) -> list[str]:
    """List datasets with neither prepared nor original files; missing weights already fail the plan."""
    lines = []
    for name, config in _datasets(plan):
        cls: type[Dataset] = DATASETS.get(name)
        try:
            open_dataset(name, config, home)
        except BenchmarkError as error:
            if cls.needs_root and dataset_root(name) is None:
                lines.append(f"{name}: {error}; its original files are not under $ECGARENA_DATA either; {cls.remedy}")
    return lines


def licences(plan: Plan) -> list[str]:
    """List the licences of the plan's datasets, methods and weights, as their cards state them."""
    datasets = {name: DATASETS.get(name).card.licence for name, _ in _datasets(plan)}
    cards: dict[str, MethodCard] = {cell.spec.method: METHODS.get(cell.spec.method).card for cell in plan.cells}
    lines = [f"dataset {name}: {licence}" for name, licence in sorted(datasets.items())]
    lines += [f"method {name}: {card.licence}" for name, card in sorted(cards.items())]
    uses = Counter((cell.spec.method, cell.spec.weights) for cell in plan.cells if cell.spec.weights)
    for method, digest in sorted(uses):
        entries = [
            f"{weights.licence} (tag {tag})"
            for tag, weights in cards[method].weights.items()
            if weights.sha256 == digest
        ]
        lines.append(
            f"weights {digest[:12]} of {method}: "
            f"{', '.join(entries) or 'unknown, no tag of the card has this checksum'}"
        )
    return lines


def _datasets(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    datasets: dict[str, tuple[str, dict[str, Any]]] = {}
    for cell in plan.cells:
        places = datasets_of(cell.spec)
        if cell.spec.pretraining:
            places += datasets_of_recipe(cell.spec.pretraining)
        datasets |= {json.dumps(entry, sort_keys=True): entry for entry in places}
    return list(datasets.values())
