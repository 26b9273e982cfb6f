"""Choose penalty and class weighting of a probe on validation, with Optuna's ask and tell in batches.

The search is in ``strength = C * d``: the penalty is a normal prior with variance C on every weight, so
C times d standardised features is the variance that the prior gives the logit. It needs no rescaling with
the size of the subset, since C multiplies the sum of the losses: more recordings outweigh the same prior.
(Tried: from 171 to 17,084 synthetic recordings the best C d moved by 1 to 2 decades, the best C n by 3 to 4.)
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution

from benchmark.errors import BenchmarkError
from benchmark.metrics.classification import auroc, macro, scorable
from benchmark.probes.logistic import ProbeBasis, Solution, Standardiser

Split = tuple[ArrayLike, ArrayLike]  # features (n, d), labels (n, C)
BATCH = 8  # trials asked for and solved together
DECIMALS = 6  # of the objective; below that the solver's tolerance decides, and ties go to the stronger penalty


@dataclass(frozen=True)
class Space:
    """What is searched: `low` to `high` of C times d (log-uniform) and the class weightings."""

    low: float = 1e-3
    high: float = 1e3
    balanced: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.high < np.inf and self.balanced):
            raise BenchmarkError(f"search space: need 0 < low <= high and at least one class weighting, got {self}")

    def grid(self, count: int) -> list[dict[str, Any]]:
        """The first batch: evenly spaced strengths from strong to weak under the first class weighting."""
        low, high = (self.low, self.high) if count > 1 else (math.sqrt(self.low * self.high),) * 2
        strengths = np.geomspace(low, high, count).clip(self.low, self.high)
        return [{"strength": float(strength), "balanced": self.balanced[0]} for strength in strengths]

    def distributions(self) -> dict[str, Any]:
        return {
            "strength": FloatDistribution(self.low, self.high, log=True),
            "balanced": CategoricalDistribution(self.balanced),
        }


@dataclass(frozen=True)
class Tuned:
    """The probe that was chosen, and the record of the search (`choice`, `trials`, `search` are JSON)."""

    choice: dict[str, Any]  # number, C, balanced, val_macro_auroc, ...: one of `trials`, and at_edge
    solution: Solution  # P = 1, on standardised features
    standardiser: Standardiser
    trials: list[dict[str, Any]]
    search: dict[str, Any] = field(default_factory=dict)  # sampler, options, space, versions

    def scores(self, X: ArrayLike) -> NDArray[np.float32]:
        """Features as they come ``(n, d)`` -> logits ``(n, C)``."""
        logits: NDArray[np.float32] = self.solution.scores(self.standardiser(X))[0]
        return logits


def tune(train: Split, val: Split, trials: int = 16, seed: int = 0, space: Space | None = None) -> Tuned:
    """Fit on `train`, choose on `val` by macro AUROC over the classes that validation can judge.

    Each split is features ``(n, d)`` and labels ``(n, C)``; features are standardised on `train`. A class
    that `train` cannot teach keeps a constant score and counts 1/2. The first batch is a fixed grid, the
    next opens with the best strength under the other weightings, the rest is TPE's. Equal inputs give equal
    choices; of equal scores (6 decimals) the stronger penalty is chosen. Raises `BenchmarkError` when
    validation judges no class, and for labels or features that are not usable.
    """
    space = space or Space()
    if trials < 1:
        raise BenchmarkError(f"trials must be at least 1, got {trials}")
    standardiser = Standardiser.fit(train[0])
    judge = _Judge(standardiser(val[0]), np.asarray(val[1]), np.asarray(train[1]).shape[-1])
    basis = ProbeBasis(standardiser(train[0]))
    solver = _Solver(basis, np.asarray(train[1]), judge)
    with _quiet():
        sampler, described = _sampler(seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        while len(solver.trials) < trials:
            _enqueue(study, space, solver, trials)
            count = min(BATCH, trials - len(solver.trials))
            asked = [study.ask(space.distributions()) for _ in range(count)]
            values = solver.batch([trial.params for trial in asked])
            for trial, value in zip(asked, values, strict=True):
                study.tell(trial, value)
    search = {**described, "strength": [space.low, space.high], "balanced": list(space.balanced), "trials": trials}
    choice = dict(solver.trials[solver.best])
    choice["at_edge"] = choice["strength"] in (space.low, space.high)  # the best may lie outside the space
    return Tuned(choice, solver.solution, standardiser, solver.trials, search)


class _Judge:
    """The objective: macro AUROC on validation, rounded."""

    def __init__(self, X: NDArray[np.float32], Y: NDArray[Any], classes: int) -> None:
        self.X, judged = X, scorable(Y)
        if Y.shape != (len(X), classes):
            raise BenchmarkError(f"validation labels must be ({len(X)}, {classes}), got {Y.shape}")
        if not judged.any():
            raise BenchmarkError("no class has both a positive and a negative in validation: nothing to tune on")
        self.classes, self.Y = np.flatnonzero(judged), Y[:, judged]

    def __call__(self, solution: Solution) -> list[float]:
        return [round(macro(auroc(self.Y, logits[:, self.classes])), DECIMALS) for logits in solution.scores(self.X)]


class _Solver:
    """Solves batches, writes the trials down, and keeps the solution of the best."""

    def __init__(self, basis: ProbeBasis, Y: NDArray[Any], judge: _Judge) -> None:
        self.basis, self.Y, self.judge = basis, Y, judge
        self.trials: list[dict[str, Any]] = []
        self.best = 0
        self.solution: Solution

    def batch(self, asked: list[dict[str, Any]]) -> list[float]:
        dim = self.basis.X.shape[1]
        cs, balanced = [params["strength"] / dim for params in asked], [params["balanced"] for params in asked]
        solution = self.basis.solve(self.Y, cs, balanced)
        values = self.judge(solution)
        for at, (params, value) in enumerate(zip(asked, values, strict=True)):
            self.trials.append(
                {
                    "number": len(self.trials),
                    "C": cs[at],
                    "strength": params["strength"],
                    "balanced": params["balanced"],
                    "val_macro_auroc": value,
                    "iterations": int(solution.iterations[at].max()),
                    "unconverged_classes": np.flatnonzero(~solution.converged[at]).tolist(),
                }
            )
            if len(self.trials) == 1 or _order(self.trials[-1]) > _order(self.trials[self.best]):
                self.best, self.solution = len(self.trials) - 1, solution.pick(at)
        return values


def _order(trial: dict[str, Any]) -> tuple[float, float, int]:
    """Better is greater: validation first, then the stronger penalty, then the earlier trial."""
    return trial["val_macro_auroc"], -trial["strength"], -trial["number"]


def _enqueue(study: optuna.Study, space: Space, solver: _Solver, trials: int) -> None:
    """Fix what is known beforehand: the grid, then the best of it under the other class weightings."""
    done = len(solver.trials)
    if not done:
        for params in space.grid(min(BATCH, trials)):
            study.enqueue_trial(params)
    elif done == BATCH:
        best = solver.trials[solver.best]
        for other in space.balanced:
            if other != best["balanced"]:
                study.enqueue_trial({"strength": best["strength"], "balanced": other})


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
def _quiet() -> Iterator[None]:
    """Silence Optuna's log and its experimental warnings, and give both back as they were."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
