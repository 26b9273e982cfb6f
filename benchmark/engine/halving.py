"""Trials of a tuning and their next trainings, as a pure function of the finished ones and the sampler's seed.

The trials are drawn in batches. A sampler made anew from the seed is asked for a batch, and told the batch's scores at
the first rung before it is asked for the next. Successive halving follows when all trials have finished that rung. So a
killed search, and any number of processes that share one, draw the same trials as an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from benchmark.planning.search_space import Parameter
from benchmark.planning.tuning import RowTuning
from benchmark.probes.search import silence_optuna
from benchmark.records.trials import State, Trial


@dataclass(frozen=True)
class Job:
    """The training of a trial at a rung, still to do."""

    number: int
    values: dict[str, Any]
    rung: int


@dataclass
class Progress:
    """The state of a search: the trainings that can begin now, the values drawn so far, and the best trial at the end.

    `stale` are trials whose record holds other values than the sampler draws now.
    """

    jobs: list[Job] = field(default_factory=list)
    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    states: dict[int, State] = field(default_factory=dict)
    stale: list[int] = field(default_factory=list)
    best: int | None = None

    @property
    def finished(self) -> bool:
        return not self.jobs


def progress(tuning: RowTuning, trials: Mapping[int, Trial]) -> Progress:
    """Return where a search stands, by the records of its trials."""
    state = Progress()
    with silence_optuna():
        entrants = _first_rung(tuning, trials, state)
    if state.jobs:
        return state
    for rung in range(len(tuning.table.rungs)):
        if rung:
            entrants = _promoted(tuning, trials, entrants, rung)
        state.jobs = [Job(number, state.values[number], rung) for number in entrants if _is_due(trials[number], rung)]
        if state.jobs:
            break
        last = rung == len(tuning.table.rungs) - 1
        survivors = entrants if last else _promoted(tuning, trials, entrants, rung + 1)
        for number in entrants:
            is_open = number in survivors and not last
            state.states[number] = "failed" if trials[number].error else "open" if is_open else "pruned"
        if last:
            _finish(tuning, trials, entrants, state)
    return state


def _finish(tuning: RowTuning, trials: Mapping[int, Trial], entrants: list[int], state: Progress) -> None:
    finalists = [number for number in entrants if not trials[number].error]
    state.states |= dict.fromkeys(finalists, "finished")
    state.best = next(iter(_ranked(tuning, trials, finalists, len(tuning.table.rungs) - 1)), None)


def _first_rung(tuning: RowTuning, trials: Mapping[int, Trial], state: Progress) -> list[int]:
    """Draw all trials that can be drawn by now; those without a score at the first rung become jobs."""
    study = optuna.create_study(direction="maximize" if tuning.maximise else "minimize", sampler=_sampler(tuning))
    distributions = {parameter.name: _distribution(parameter) for parameter in tuning.space}
    if tuning.own is not None:
        study.enqueue_trial(tuning.own)
    numbers: list[int] = []
    while len(numbers) < tuning.table.trials and not state.jobs:
        batch = [study.ask(distributions) for _ in range(min(tuning.table.batch, tuning.table.trials - len(numbers)))]
        for asked_trial in batch:
            number = asked_trial.number
            tidied = {p.name: p.tidy(asked_trial.params[p.name]) for p in tuning.space}
            state.values[number] = tuning.own if tuning.own is not None and number == 0 else tidied
            numbers.append(number)
            trial = trials.get(number)
            if trial is not None and trial.values != state.values[number]:
                state.stale.append(number)
                trial = None
            if trial is None or _is_due(trial, 0):
                state.jobs.append(Job(number, state.values[number], 0))
                state.states[number] = "open"
        if not state.jobs:
            _tell(study, batch, trials)
    return numbers


def _tell(study: optuna.Study, batch: list[optuna.Trial], trials: Mapping[int, Trial]) -> None:
    for asked_trial in batch:
        scores = trials[asked_trial.number].scores
        if scores:
            study.tell(asked_trial, scores[0])
        else:
            study.tell(asked_trial, state=TrialState.FAIL)


def _is_due(trial: Trial, rung: int) -> bool:
    return trial.error is None and len(trial.rungs) <= rung


def _promoted(tuning: RowTuning, trials: Mapping[int, Trial], entrants: list[int], rung: int) -> list[int]:
    """Return the trials that train for `rung`: the best of those before it, in the order of their numbers."""
    candidates = [number for number in entrants if len(trials[number].rungs) >= rung]
    return sorted(_ranked(tuning, trials, candidates, rung - 1)[: tuning.sizes[rung]])


def _ranked(tuning: RowTuning, trials: Mapping[int, Trial], numbers: list[int], rung: int) -> list[int]:
    """Return trials by their score at a rung, the best first; of equal ones the earlier."""
    sign = -1 if tuning.maximise else 1
    return sorted(numbers, key=lambda number: (sign * trials[number].scores[rung], number))


def _sampler(tuning: RowTuning) -> optuna.samplers.BaseSampler:
    """Return the sampler; its options are explicit, since defaults change between versions."""
    table = tuning.table
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=table.seed),
        "tpe": lambda: optuna.samplers.TPESampler(
            n_startup_trials=table.batch,
            n_ei_candidates=24,
            multivariate=True,
            group=False,
            constant_liar=True,
            seed=table.seed,
        ),
    }
    return samplers[table.sampler]()


def _distribution(parameter: Parameter) -> BaseDistribution:
    if parameter.values:
        return CategoricalDistribution(parameter.values)
    if parameter.whole:
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
