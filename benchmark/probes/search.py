"""Choose penalty, class weighting and standardisation of a probe on validation: Optuna's ask and tell in batches.

The search is in ``strength = C * d``. The penalty is a normal prior with variance C on every weight, so C times d
standardised features is the variance that the prior gives the logit. It needs no rescaling with the size of the
subset, since C multiplies the sum of the losses: more recordings outweigh the same prior. (Measured: from 171 to
17,084 synthetic recordings the best C d moved by 1 to 2 decades, the best C n by 3 to 4.)

There is no pruning: a batch is solved together in few steps. docs/probes.md has what stopping some of its trials early
could save at most. A search with a journal resumes after a kill, to the same bits.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution

from benchmark.errors import BenchmarkError, UsageError, did_you_mean
from benchmark.metrics.classification import auroc, macro, scorable
from benchmark.probes.journal import Journal, array_digest
from benchmark.probes.logistic import ProbeBasis, Solution, Standardiser, validate_features

Split = tuple[ArrayLike, ArrayLike]  # features (n, d), labels (n, C)
BATCH = 8  # trials, solved together
PARTS = ("penalty", "weighting", "standardisation")  # of what can be searched
DECIMALS = 6  # of the objective; below that the solver's tolerance decides, and ties go to the stronger penalty


@dataclass(frozen=True)
class Space:
    """The search space: `low` to `high` of C times d (log-uniform), class weightings, standardised or not.

    Features that are not standardised are all divided by one number, so that the mean of their variances is 1 and a
    strength means the same.
    """

    low: float = 1e-3
    high: float = 1e3
    balanced: tuple[bool, ...] = (False, True)
    standardise: tuple[bool, ...] = (True,)

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.high < np.inf and self.balanced and self.standardise):
            raise BenchmarkError(
                f"search space: need 0 < low <= high, at least one class weighting and one standardisation, got {self}"
            )

    @classmethod
    def of(cls, search: str) -> Space:
        """Return the space for text like ``"penalty+weighting"``: parts of `PARTS`, the penalty always among them."""
        parts = search.split("+")
        wrong = [f"{part!r}{did_you_mean(part, PARTS)}" for part in parts if part not in PARTS]
        if wrong or "penalty" not in parts or len(set(parts)) < len(parts):
            raise UsageError(
                f"search is {search!r}: it joins parts of {', '.join(PARTS)} with '+', penalty among them"
                + (f"; unknown: {', '.join(wrong)}" if wrong else "")
            )
        return cls(
            balanced=(False, True) if "weighting" in parts else (False,),
            standardise=(True, False) if "standardisation" in parts else (True,),
        )

    def grid(self, count: int) -> list[dict[str, Any]]:
        """Return the first batch: evenly spaced strengths from strong to weak, with the first of all other choices."""
        low, high = (self.low, self.high) if count > 1 else (math.sqrt(self.low * self.high),) * 2
        strengths = np.geomspace(low, high, count).clip(self.low, self.high)
        firsts = {name: values[0] for name, values in self.choices().items()}
        return [{"strength": float(strength), **firsts} for strength in strengths]

    def neighbours(self, best: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the settings that differ from `best` in one choice and have its strength."""
        base = {"strength": best["strength"], **{name: best[name] for name in self.choices()}}
        return [
            {**base, name: value} for name, values in self.choices().items() for value in values if value != best[name]
        ]

    def choices(self) -> dict[str, tuple[bool, ...]]:
        """Return the class weightings, and the standardisations unless all features are standardised."""
        more = {} if self.standardise == (True,) else {"standardise": self.standardise}
        return {"balanced": self.balanced, **more}

    def distributions(self) -> dict[str, Any]:
        choices = {name: CategoricalDistribution(values) for name, values in self.choices().items()}
        return {"strength": FloatDistribution(self.low, self.high, log=True), **choices}


@dataclass(frozen=True)
class Tuned:
    """The chosen probe and the record of its search (`choice`, `trials`, `search` are JSON)."""

    choice: dict[str, Any]  # number, C, balanced, val_macro_auroc, ...: one of `trials`, and at_edge
    solution: Solution  # P = 1, on features as `standardiser` leaves them
    standardiser: Standardiser
    trials: list[dict[str, Any]]
    search: dict[str, Any] = field(default_factory=dict)  # sampler, options, space, versions

    def scores(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the logits ``(n, C)`` of raw features ``(n, d)``."""
        logits: NDArray[np.float32] = self.solution.scores(self.standardiser(X))[0]
        return logits


def tune(
    train: Split,
    val: Split,
    trials: int = 16,
    seed: int = 0,
    space: Space | None = None,
    seconds: float = 0.0,
    journal: Path | None = None,
) -> Tuned:
    """Fit on `train`, choose on `val` by macro AUROC over the classes with both labels in validation.

    Each split is features ``(n, d)`` and labels ``(n, C)``; features are standardised on `train`. A class without both
    labels in `train` keeps a constant score and counts 1/2. The first batch is a fixed grid, the next begins with the
    best strength under the other choices, the rest is TPE's. Equal inputs give equal choices; of equal scores (6
    decimals) the stronger penalty is chosen. After `seconds` of solving (0: no limit) no further batch begins. With a
    `journal` file a killed search resumes. Raises `BenchmarkError` when no class has both labels in validation, and for
    labels or features that are not usable.
    """
    space = space or Space()
    if trials < 1:
        raise BenchmarkError(f"trials must be at least 1, got {trials}")
    sampler, description = _make_sampler(seed)
    search = {**description, "strength": [space.low, space.high], "balanced": list(space.balanced), "trials": trials}
    if "standardise" in space.choices():
        search["standardise"] = list(space.standardise)
    solver = _Solver(train, val)
    data = array_digest(*train, *val) if journal else ""
    records, duration = Journal(journal, {**search, "data": data, "seconds": seconds}), 0.0
    with silence_optuna():
        study = optuna.create_study(direction="maximize", sampler=sampler)
        while len(solver.trials) < trials:
            if seconds and duration >= seconds:
                search["stopped"] = f"after {len(solver.trials)} trials: {seconds:g} s were over"
                break
            _enqueue(study, space, solver, trials)
            count = min(BATCH, trials - len(solver.trials))
            batch = [study.ask(space.distributions()) for _ in range(count)]
            entry = records.next()
            if entry is None:
                entry = solver.solve([trial.params for trial in batch], len(solver.trials))
                records.add(entry)
            solver.remember(entry["trials"])
            duration += entry["seconds"]
            for trial, row in zip(batch, entry["trials"], strict=True):
                study.tell(trial, row["val_macro_auroc"])
    choice = dict(solver.trials[solver.best])
    choice["at_edge"] = choice["strength"] in (space.low, space.high)  # the best may lie outside the space
    return Tuned(choice, *solver.solve_best(space), solver.trials, search)


def choose_best(
    scores: NDArray[np.float32], labels: NDArray[Any], settings: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the best setting (the first of equals) and all trials, from scores on validation ``(P, n, C)``."""
    values = Judge(labels, scores.shape[1:])(scores)
    trials = [
        {"number": number, **setting, "val_macro_auroc": value}
        for number, (setting, value) in enumerate(zip(settings, values, strict=True))
    ]
    return max(trials, key=lambda trial: trial["val_macro_auroc"]), trials


class Judge:
    """The objective: macro AUROC on validation, rounded."""

    def __init__(self, Y: NDArray[Any], shape: tuple[int, ...]) -> None:
        usable = scorable(Y)
        if Y.shape != shape:
            raise BenchmarkError(f"validation labels must be {shape}, got {Y.shape}")
        if not usable.any():
            raise BenchmarkError("no class has both a positive and a negative in validation: nothing to tune on")
        self.classes, self.Y = np.flatnonzero(usable), Y[:, usable]

    def __call__(self, logits: NDArray[np.float32]) -> list[float]:
        """Return one number per setting for logits ``(P, n, C)``."""
        return [round(macro(auroc(self.Y, scores[:, self.classes])), DECIMALS) for scores in logits]


class _Solver:
    """Solves batches, and remembers the trials and which of them is the best."""

    def __init__(self, train: Split, val: Split) -> None:
        self.train, self.Y, self.val = np.asarray(train[0]), np.asarray(train[1]), np.asarray(val[0])
        validate_features(self.val)
        self.judge = Judge(np.asarray(val[1]), (len(self.val), self.Y.shape[-1]))
        self.views: dict[bool, tuple[Standardiser, ProbeBasis, NDArray[np.float32]]] = {}
        self.trials: list[dict[str, Any]] = []
        self.best = 0
        self.latest: tuple[int, dict[bool, Solution]] = (-1, {})  # first trial of a batch, its solutions
        self.best_batch = self.latest  # the batch with the best trial, unless it came from a journal

    def solve(self, settings: list[dict[str, Any]], first: int) -> dict[str, Any]:
        """Solve settings together, per standardisation; return trials, numbered from `first`, and seconds."""
        start, dim = time.perf_counter(), self.train.shape[1]
        rows: list[dict[str, Any]] = [{} for _ in settings]
        solutions = {}
        for standardise in sorted({params.get("standardise", True) for params in settings}, reverse=True):
            at = [i for i, params in enumerate(settings) if params.get("standardise", True) == standardise]
            _, basis, val = self._view(standardise)
            cs, balanced = [settings[i]["strength"] / dim for i in at], [settings[i]["balanced"] for i in at]
            solution = solutions[standardise] = basis.solve(self.Y, cs, balanced)
            for place, (i, value) in enumerate(zip(at, self.judge(solution.scores(val)), strict=True)):
                rows[i] = {
                    "number": first + i,
                    "C": cs[place],
                    **settings[i],
                    "val_macro_auroc": value,
                    "iterations": int(solution.iterations[place].max()),
                    "unconverged_classes": np.flatnonzero(~solution.converged[place]).tolist(),
                }
        self.latest = first, solutions
        return {"trials": rows, "seconds": time.perf_counter() - start}

    def remember(self, rows: list[dict[str, Any]]) -> None:
        first = len(self.trials)
        self.trials += rows
        self.best = max(range(len(self.trials)), key=lambda i: _sort_key(self.trials[i]))
        if self.best >= first:
            self.best_batch = self.latest

    def solve_best(self, space: Space) -> tuple[Solution, Standardiser]:
        """Return the solution of the best trial; one from a journal is solved again in its batch, to the same bits."""
        first = self.best // BATCH * BATCH
        batch = self.trials[first : first + BATCH]
        if self.best_batch[0] != first:
            names = ("strength", *space.choices())
            self.solve([{name: row[name] for name in names} for row in batch], first)
            self.best_batch = self.latest
        standardise = self.trials[self.best].get("standardise", True)
        alike = [row["number"] for row in batch if row.get("standardise", True) == standardise]
        return self.best_batch[1][standardise].pick(alike.index(self.best)), self._view(standardise)[0]

    def _view(self, standardise: bool) -> tuple[Standardiser, ProbeBasis, NDArray[np.float32]]:
        if standardise not in self.views:
            standardiser = Standardiser.fit(self.train, each=standardise)
            self.views[standardise] = standardiser, ProbeBasis(standardiser(self.train)), standardiser(self.val)
        return self.views[standardise]


def _sort_key(trial: dict[str, Any]) -> tuple[float, float, int]:
    """Return a key that is greater for better trials: by validation, then stronger penalty, then earlier trial."""
    return trial["val_macro_auroc"], -trial["strength"], -trial["number"]


def _enqueue(study: optuna.Study, space: Space, solver: _Solver, trials: int) -> None:
    """Queue the settings that are fixed beforehand: the grid, then its best with each other choice."""
    count = len(solver.trials)
    if not count:
        for params in space.grid(min(BATCH, trials)):
            study.enqueue_trial(params)
    elif count == BATCH:
        for params in space.neighbours(solver.trials[solver.best]):
            study.enqueue_trial(params)


def _make_sampler(seed: int) -> tuple[optuna.samplers.TPESampler, dict[str, Any]]:
    """Return the sampler and its description; options are explicit, since defaults change between versions."""
    options: dict[str, Any] = {
        "n_startup_trials": BATCH,
        "n_ei_candidates": 24,
        "multivariate": True,
        "group": False,
        "constant_liar": True,
        "seed": seed,
    }
    sampler = optuna.samplers.TPESampler(**options)
    return sampler, {"sampler": "TPESampler", "options": options, "batch": BATCH, "optuna": optuna.__version__}


@contextmanager
def silence_optuna() -> Iterator[None]:
    """Silence Optuna's log and its experimental warnings, and restore both."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
