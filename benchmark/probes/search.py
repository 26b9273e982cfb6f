"""Choose penalty, class weighting and standardisation of a probe on validation: Optuna's ask and tell in batches.

The search is in ``strength = C * d``: the penalty is a normal prior with variance C on every weight, so
C times d standardised features is the variance that the prior gives the logit. It needs no rescaling with
the size of the subset, since C multiplies the sum of the losses: more recordings outweigh the same prior.
(Tried: from 171 to 17,084 synthetic recordings the best C d moved by 1 to 2 decades, the best C n by 3 to 4.)

There is no pruning: a batch is solved together in few steps, see docs/probes.md for what stopping some of its
trials early could save at most. A search that has a journal goes on after a kill, to the same bits.
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
from benchmark.probes.journal import Journal, fingerprint
from benchmark.probes.logistic import ProbeBasis, Solution, Standardiser, checked_features

Split = tuple[ArrayLike, ArrayLike]  # features (n, d), labels (n, C)
BATCH = 8  # trials asked for and solved together
PARTS = ("penalty", "weighting", "standardisation")  # of what can be searched
DECIMALS = 6  # of the objective; below that the solver's tolerance decides, and ties go to the stronger penalty


@dataclass(frozen=True)
class Space:
    """What is searched: `low` to `high` of C times d (log-uniform), class weightings, standardised or not.

    Features that are not standardised are divided by one number all together, so that the mean of their
    variances is 1 and a strength means the same.
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
        """``"penalty+weighting"`` and so on: the parts of `PARTS` that are searched; the penalty always is."""
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
        """The first batch: evenly spaced strengths from strong to weak, all else as it comes first."""
        low, high = (self.low, self.high) if count > 1 else (math.sqrt(self.low * self.high),) * 2
        strengths = np.geomspace(low, high, count).clip(self.low, self.high)
        firsts = {name: values[0] for name, values in self.choices().items()}
        return [{"strength": float(strength), **firsts} for strength in strengths]

    def neighbours(self, best: dict[str, Any]) -> list[dict[str, Any]]:
        """The settings that differ from `best` in one choice and have its strength."""
        here = {"strength": best["strength"], **{name: best[name] for name in self.choices()}}
        return [
            {**here, name: value} for name, values in self.choices().items() for value in values if value != best[name]
        ]

    def choices(self) -> dict[str, tuple[bool, ...]]:
        """The class weightings, and the standardisations unless all features are standardised."""
        searched = {} if self.standardise == (True,) else {"standardise": self.standardise}
        return {"balanced": self.balanced, **searched}

    def distributions(self) -> dict[str, Any]:
        named = {name: CategoricalDistribution(values) for name, values in self.choices().items()}
        return {"strength": FloatDistribution(self.low, self.high, log=True), **named}


@dataclass(frozen=True)
class Tuned:
    """The probe that was chosen, and the record of the search (`choice`, `trials`, `search` are JSON)."""

    choice: dict[str, Any]  # number, C, balanced, val_macro_auroc, ...: one of `trials`, and at_edge
    solution: Solution  # P = 1, on features as `standardiser` leaves them
    standardiser: Standardiser
    trials: list[dict[str, Any]]
    search: dict[str, Any] = field(default_factory=dict)  # sampler, options, space, versions

    def scores(self, X: ArrayLike) -> NDArray[np.float32]:
        """Features as they come ``(n, d)`` -> logits ``(n, C)``."""
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
    """Fit on `train`, choose on `val` by macro AUROC over the classes that validation can judge.

    Each split is features ``(n, d)`` and labels ``(n, C)``; features are standardised on `train`. A class
    that `train` cannot teach keeps a constant score and counts 1/2. The first batch is a fixed grid, the
    next opens with the best strength under the other choices, the rest is TPE's. Equal inputs give equal
    choices; of equal scores (6 decimals) the stronger penalty is chosen. After `seconds` of solving (0: no
    limit) no further batch is begun. With a `journal` file a killed search goes on where it was. Raises
    `BenchmarkError` when validation judges no class, and for labels or features that are not usable.
    """
    space = space or Space()
    if trials < 1:
        raise BenchmarkError(f"trials must be at least 1, got {trials}")
    sampler, described = _sampler(seed)
    search = {**described, "strength": [space.low, space.high], "balanced": list(space.balanced), "trials": trials}
    if "standardise" in space.choices():
        search["standardise"] = list(space.standardise)
    solver = _Solver(train, val)
    data = fingerprint(*train, *val) if journal else ""
    kept, used = Journal(journal, {**search, "data": data, "seconds": seconds}), 0.0
    with quiet():
        study = optuna.create_study(direction="maximize", sampler=sampler)
        while len(solver.trials) < trials:
            if seconds and used >= seconds:
                search["stopped"] = f"after {len(solver.trials)} trials: {seconds:g} s were over"
                break
            _enqueue(study, space, solver, trials)
            count = min(BATCH, trials - len(solver.trials))
            asked = [study.ask(space.distributions()) for _ in range(count)]
            entry = kept.next()
            if entry is None:
                entry = solver.solve([trial.params for trial in asked], len(solver.trials))
                kept.add(entry)
            solver.remember(entry["trials"])
            used += entry["seconds"]
            for trial, row in zip(asked, entry["trials"], strict=True):
                study.tell(trial, row["val_macro_auroc"])
    choice = dict(solver.trials[solver.best])
    choice["at_edge"] = choice["strength"] in (space.low, space.high)  # the best may lie outside the space
    return Tuned(choice, *solver.chosen(space), solver.trials, search)


def best_of_grid(
    scores: NDArray[np.float32], labels: NDArray[Any], settings: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Judge settings by their scores on validation, ``(P, n, C)``: the best (the first of equals), and all trials."""
    values = Judge(labels, scores.shape[1:])(scores)
    trials = [
        {"number": number, **setting, "val_macro_auroc": value}
        for number, (setting, value) in enumerate(zip(settings, values, strict=True))
    ]
    return max(trials, key=lambda trial: trial["val_macro_auroc"]), trials


class Judge:
    """The objective: macro AUROC on validation, rounded."""

    def __init__(self, Y: NDArray[Any], shape: tuple[int, ...]) -> None:
        judged = scorable(Y)
        if Y.shape != shape:
            raise BenchmarkError(f"validation labels must be {shape}, got {Y.shape}")
        if not judged.any():
            raise BenchmarkError("no class has both a positive and a negative in validation: nothing to tune on")
        self.classes, self.Y = np.flatnonzero(judged), Y[:, judged]

    def __call__(self, logits: NDArray[np.float32]) -> list[float]:
        """``(P, n, C)`` -> one number per setting."""
        return [round(macro(auroc(self.Y, of_one[:, self.classes])), DECIMALS) for of_one in logits]


class _Solver:
    """Solves batches, and remembers the trials and which of them is the best."""

    def __init__(self, train: Split, val: Split) -> None:
        self.train, self.Y, self.val = np.asarray(train[0]), np.asarray(train[1]), np.asarray(val[0])
        checked_features(self.val)
        self.judge = Judge(np.asarray(val[1]), (len(self.val), self.Y.shape[-1]))
        self.views: dict[bool, tuple[Standardiser, ProbeBasis, NDArray[np.float32]]] = {}
        self.trials: list[dict[str, Any]] = []
        self.best = 0
        self.latest: tuple[int, dict[bool, Solution]] = (-1, {})  # first trial of a batch, its solutions
        self.solved = self.latest  # the batch with the best trial, if it was solved here

    def solve(self, asked: list[dict[str, Any]], first: int) -> dict[str, Any]:
        """Solve settings together (per standardisation): their trials, numbered from `first`, and the seconds."""
        started, dim = time.perf_counter(), self.train.shape[1]
        rows: list[dict[str, Any]] = [{} for _ in asked]
        solutions = {}
        for standardise in sorted({params.get("standardise", True) for params in asked}, reverse=True):
            at = [i for i, params in enumerate(asked) if params.get("standardise", True) == standardise]
            _, basis, val = self._view(standardise)
            cs, balanced = [asked[i]["strength"] / dim for i in at], [asked[i]["balanced"] for i in at]
            solution = solutions[standardise] = basis.solve(self.Y, cs, balanced)
            for place, (i, value) in enumerate(zip(at, self.judge(solution.scores(val)), strict=True)):
                rows[i] = {
                    "number": first + i,
                    "C": cs[place],
                    **asked[i],
                    "val_macro_auroc": value,
                    "iterations": int(solution.iterations[place].max()),
                    "unconverged_classes": np.flatnonzero(~solution.converged[place]).tolist(),
                }
        self.latest = first, solutions
        return {"trials": rows, "seconds": time.perf_counter() - started}

    def remember(self, rows: list[dict[str, Any]]) -> None:
        first = len(self.trials)
        self.trials += rows
        self.best = max(range(len(self.trials)), key=lambda i: _order(self.trials[i]))
        if self.best >= first:
            self.solved = self.latest

    def chosen(self, space: Space) -> tuple[Solution, Standardiser]:
        """The solution of the best trial: from a journal it is solved anew, in its batch and so to the same bits."""
        first = self.best // BATCH * BATCH
        batch = self.trials[first : first + BATCH]
        if self.solved[0] != first:
            names = ("strength", *space.choices())
            self.solve([{name: row[name] for name in names} for row in batch], first)
            self.solved = self.latest
        standardise = self.trials[self.best].get("standardise", True)
        alike = [row["number"] for row in batch if row.get("standardise", True) == standardise]
        return self.solved[1][standardise].pick(alike.index(self.best)), self._view(standardise)[0]

    def _view(self, standardise: bool) -> tuple[Standardiser, ProbeBasis, NDArray[np.float32]]:
        if standardise not in self.views:
            standardiser = Standardiser.fit(self.train, each=standardise)
            self.views[standardise] = standardiser, ProbeBasis(standardiser(self.train)), standardiser(self.val)
        return self.views[standardise]


def _order(trial: dict[str, Any]) -> tuple[float, float, int]:
    """Better is greater: validation first, then the stronger penalty, then the earlier trial."""
    return trial["val_macro_auroc"], -trial["strength"], -trial["number"]


def _enqueue(study: optuna.Study, space: Space, solver: _Solver, trials: int) -> None:
    """Fix what is known beforehand: the grid, then the best of it with each other choice."""
    done = len(solver.trials)
    if not done:
        for params in space.grid(min(BATCH, trials)):
            study.enqueue_trial(params)
    elif done == BATCH:
        for params in space.neighbours(solver.trials[solver.best]):
            study.enqueue_trial(params)


def _sampler(seed: int) -> tuple[optuna.samplers.TPESampler, dict[str, Any]]:
    """The sampler and its description; options are explicit, since defaults move between versions."""
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
def quiet() -> Iterator[None]:
    """Silence Optuna's log and its experimental warnings, and give both back as they were."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
