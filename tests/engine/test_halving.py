"""The trials of a tuning follow from the finished ones and a seed alone, in whatever order these were finished."""

import itertools

import numpy as np
import pytest

from benchmark.engine.halving import progress
from benchmark.planning.suites import Suite
from benchmark.planning.tuning import tunings
from benchmark.records.trials import Trial

ROW = {
    "name": "simclr",
    "pretrain": {"dataset": "synthetic"},
    "tune": {
        "space": {"pretrain.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "config.temperature": [0.05, 0.1, 0.5]}
    },
}


def tuning(choose="val_labels", space=None, **terms):
    row = ROW if space is None else {**ROW, "tune": {"space": space}}
    suite = {
        **dict.fromkeys(("name", "title", "version"), "x"),
        "datasets": [{"name": "synthetic", "label_sets": ["groups"]}],
        "tasks": [{"name": "linear_probe"}],
        "methods": [row],
        "tune": {"trials": 9, "rungs": [4, 12, 36], "batch": 3, "choose": choose, **terms},
    }
    return tunings(Suite.model_validate(suite))[0]


def trial(row, number, values, scores, error=None):
    rungs = [{"score": score, "recordings": 1, "seconds": 1.0} for score in scores]
    return Trial(row.digest, "x", row.row, "simclr", 1, number, values, "sampled", "5", rungs=rungs, error=error)


def score(values, rung):
    return round(1 - abs(np.log10(values["pretrain.lr"]) + 3) / 4 + 0.01 * rung, 6)


def finish(row, order, failing=()):
    """Run a search to its end; `order` picks one of the jobs that can begin."""
    trials = {}
    while not (state := progress(row, trials)).finished:
        job = state.jobs[order(len(state.jobs))]
        before = trials.get(job.number) or trial(row, job.number, job.values, [])
        scores = [*before.scores, score(job.values, job.rung)]
        bad = (job.number, job.rung) in failing
        trials[job.number] = trial(row, job.number, job.values, scores[:-1] if bad else scores, {} if bad else None)
        if bad:
            trials[job.number].error = {"message": "broken"}
    return trials, state


def test_a_third_of_the_trials_trains_on_for_each_next_rung_and_the_best_one_is_chosen():
    row = tuning()
    trials, state = finish(row, lambda count: 0)
    assert row.sizes == [9, 3, 1] and [sum(len(t.rungs) > r for t in trials.values()) for r in range(3)] == [9, 3, 1]
    firsts = {number: one.scores[0] for number, one in trials.items()}
    assert state.best == max(firsts, key=firsts.get)
    assert sorted(state.states.values()) == ["finished"] + ["pruned"] * 8


def test_any_order_of_finishing_draws_the_same_trials():
    row, random = tuning(), np.random.default_rng(0)
    expected = {number: one.values for number, one in finish(row, lambda count: 0)[0].items()}
    for _ in range(3):
        trials, _ = finish(row, lambda count: int(random.integers(count)))
        assert {number: one.values for number, one in trials.items()} == expected
    assert len({str(values) for values in expected.values()}) == 9


def test_a_batch_is_drawn_when_the_one_before_it_has_its_scores():
    row = tuning()
    first = progress(row, {})
    assert [job.number for job in first.jobs] == [0, 1, 2]
    part = {job.number: trial(row, job.number, job.values, [0.5]) for job in first.jobs[:2]}
    assert [job.number for job in progress(row, part).jobs] == [2]
    part[2] = trial(row, 2, first.jobs[2].values, [0.7])
    second = progress(row, part)
    assert [job.number for job in second.jobs] == [3, 4, 5]
    better_elsewhere = {**part, 0: trial(row, 0, first.jobs[0].values, [0.9])}
    assert [job.values for job in progress(row, better_elsewhere).jobs] != [job.values for job in second.jobs]


def test_the_first_trial_has_the_values_of_the_row_unless_its_space_excludes_them():
    assert progress(tuning(), {}).values[0] == {"pretrain.lr": 1e-3, "config.temperature": 0.1}
    row = tuning(space={"pretrain.lr": [1e-2, 1e-4]})
    assert row.own is None and progress(row, {}).values[0]["pretrain.lr"] in (1e-2, 1e-4)


def test_drawn_numbers_have_three_digits_and_stay_in_their_range():
    row = tuning(trials=40, batch=40, space={"pretrain.lr": {"low": 0.12345, "high": 0.12355}})
    values = [one["pretrain.lr"] for one in progress(row, {}).values.values()]
    assert all(0.12345 <= value <= 0.12355 for value in values)
    values = [one["pretrain.lr"] for one in progress(tuning(trials=40, batch=40), {}).values.values()]
    assert all(float(f"{value:.3g}") == value for value in values) and len(set(values)) > 30


def test_a_failed_trial_is_never_promoted_and_the_search_goes_on():
    row = tuning()
    best = finish(row, lambda count: 0)[1].best
    trials, state = finish(row, lambda count: 0, failing={(best, 0), (1, 0)})
    assert state.states[best] == "failed" and state.best not in (best, None) and not trials[best].scores
    _, state = finish(row, lambda count: 0, failing=set(itertools.product(range(9), range(3))))
    assert state.best is None and set(state.states.values()) == {"failed"}


def test_a_loss_is_minimised():
    row = tuning("val_loss", {"pretrain.lr": {"low": 1e-4, "high": 1e-2, "log": True}}, rungs=[4])
    trials, state = finish(row, lambda count: 0)
    assert trials[state.best].scores[0] == min(one.scores[0] for one in trials.values())


def test_of_equal_scores_the_earlier_trial_is_chosen(monkeypatch):
    monkeypatch.setitem(globals(), "score", lambda values, rung: 0.5)
    assert finish(tuning(), lambda count: -1)[1].best == 0


def test_records_of_other_values_than_are_drawn_do_not_count():
    row = tuning()
    state = progress(row, {1: trial(row, 1, {"pretrain.lr": 0.5, "config.temperature": 0.1}, [0.9])})
    assert state.stale == [1] and [job.number for job in state.jobs] == [0, 1, 2]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_another_seed_draws_other_trials(sampler):
    draws = [str(progress(tuning(sampler=sampler, seed=seed), {}).values[1]) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
