"""Search over trainings: Optuna's TPE with median pruning, one trial after the other, in one process, with no database.

Here pruning pays: a trial costs as many epochs as it runs, and a poor learning rate shows early. Every trial is kept
with its curve. With a journal a killed search resumes; since the trainings are seeded, it ends with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from benchmark.errors import BenchmarkError
from benchmark.probes.journal import Journal
from benchmark.probes.search import DECIMALS, silence_optuna

STARTUP, WARMUP = 4, 2  # trials that are never pruned, and epochs before a trial can be
Fit = Callable[[Mapping[str, Any]], Iterator[float]]  # settings -> the validation score after every epoch


def search_trainings(
    fit: Fit,
    space: Mapping[str, BaseDistribution],
    first: Mapping[str, Any],
    trials: int,
    seed: int,
    identity: Mapping[str, Any],
    seconds: float = 0.0,
    journal: Path | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Train with up to `trials` settings, beginning with `first`; return the best trial, all trials, and the search.

    A trial is worth its best epoch. `identity` (digests of the data, options) tells which search a journal belongs to.
    No further trial begins after `seconds` (0: no limit). Raises `BenchmarkError` for fewer than one trial.
    """
    if trials < 1:
        raise BenchmarkError(f"trials must be at least 1, got {trials}")
    options: dict[str, Any] = {"n_startup_trials": STARTUP, "n_ei_candidates": 24, "multivariate": True, "seed": seed}
    pruning = {"n_startup_trials": STARTUP, "n_warmup_steps": WARMUP}
    search: dict[str, Any] = {
        "sampler": "TPESampler", "options": options, "pruner": "MedianPruner", "pruning": pruning,
        "optuna": optuna.__version__, "trials": trials,
    }  # fmt: skip
    records, duration = Journal(journal, {**search, **identity, "seconds": seconds}), 0.0
    rows: list[dict[str, Any]] = []
    with silence_optuna():
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(**options),
            pruner=optuna.pruners.MedianPruner(**pruning),
        )
        study.enqueue_trial(dict(first))
        while len(rows) < trials:
            if seconds and duration >= seconds:
                search["stopped"] = f"after {len(rows)} trials: {seconds:g} s were over"
                break
            trial = study.ask(dict(space))
            entry = records.next()
            if entry is None:
                entry = _train(fit, trial)
                records.add(entry)
            else:
                for epoch, value in enumerate(entry["curve"], start=1):
                    trial.report(value, epoch)
            duration += entry["seconds"]
            state = optuna.trial.TrialState.PRUNED if entry["pruned"] else optuna.trial.TrialState.COMPLETE
            study.tell(trial, None if entry["pruned"] else max(entry["curve"]), state=state)
            value = max(entry["curve"])
            row = {"number": len(rows), **trial.params, "val_macro_auroc": value}
            best_epoch = entry["curve"].index(value) + 1
            rows.append({**row, "epoch": best_epoch, "pruned": entry["pruned"], "curve": entry["curve"]})
    return max(rows, key=lambda row: row["val_macro_auroc"]), rows, search


def _train(fit: Fit, trial: optuna.Trial) -> dict[str, Any]:
    start, pruned = time.perf_counter(), False
    curve: list[float] = []
    for epoch, value in enumerate(fit(trial.params), start=1):
        curve.append(round(value, DECIMALS))
        trial.report(curve[-1], epoch)
        pruned = bool(trial.should_prune())
        if pruned:
            break
    return {"curve": curve, "pruned": pruned, "seconds": time.perf_counter() - start}
