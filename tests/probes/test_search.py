"""The search finds a known optimum, gives equal results for equal inputs, and records its trials."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmark.errors import BenchmarkError, UsageError
from benchmark.metrics.classification import auroc, macro
from benchmark.probes import search
from benchmark.probes.search import Space, tune


def split(n=200, dim=20, classes=3, seed=0, noise=2.0):
    """Labels follow three of the features; the features have odd scales and offsets."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, dim))
    logits = 2 * X[:, :classes] + noise * rng.logistic(size=(n, classes))
    return (X * np.geomspace(0.01, 100, dim) + 5).astype(np.float32), (logits > 1).astype(int)


def test_the_choice_is_the_best_trial_and_its_solution_is_returned():
    train, val = split(seed=1), split(seed=2)
    tuned = tune(train, val, trials=12)
    assert [trial["number"] for trial in tuned.trials] == list(range(12))
    best = max(trial["val_macro_auroc"] for trial in tuned.trials)
    assert tuned.choice["val_macro_auroc"] == best
    assert macro(auroc(val[1], tuned.scores(val[0]))) == pytest.approx(best, abs=1e-6)
    assert tuned.choice["C"] == pytest.approx(tuned.choice["strength"] / 20)
    assert {trial["balanced"] for trial in tuned.trials} == {False, True}


def test_first_batch_is_the_grid_and_the_next_opens_with_the_other_weighting():
    tuned = tune(split(seed=1), split(seed=2), trials=9)
    strengths = [trial["strength"] for trial in tuned.trials]
    np.testing.assert_allclose(strengths[:8], np.geomspace(1e-3, 1e3, 8))
    assert not any(trial["balanced"] for trial in tuned.trials[:8])
    best = max(tuned.trials[:8], key=lambda trial: (trial["val_macro_auroc"], -trial["strength"]))
    assert tuned.trials[8]["balanced"] and strengths[8] == best["strength"]


def test_tpe_refines_near_the_optimum(monkeypatch):
    """With an objective that peaks at strength 3, the last of 40 trials are closer than the grid."""

    class Peak(search.Judge):
        def __call__(self, logits):
            return [round(1 - abs(np.log10(s / 3)) / 10 - b / 10, 6) for s, b in batches[-1]]

    batches = []
    solve = search._Solver.solve

    def spy(self, params, first):
        batches.append([(p["strength"], p["balanced"]) for p in params])
        return solve(self, params, first)

    monkeypatch.setattr(search, "Judge", Peak)
    monkeypatch.setattr(search._Solver, "solve", spy)
    tuned = tune(split(40, 4), split(40, 4, seed=1), trials=40)
    grid = min(abs(np.log10(trial["strength"] / 3)) for trial in tuned.trials[:8])
    assert grid > 0.04 and abs(np.log10(tuned.choice["strength"] / 3)) < 0.5 * grid
    assert not tuned.choice["balanced"]


def test_equal_inputs_give_equal_trials_and_seeds_differ():
    train, val = split(seed=1), split(seed=2)
    first, again, other = (tune(train, val, trials=16, seed=seed) for seed in (5, 5, 6))
    assert first.trials == again.trials and first.choice == again.choice
    assert first.trials[:9] == other.trials[:9] and first.trials != other.trials


def test_ties_go_to_the_stronger_penalty():
    """One feature: every penalty ranks alike."""
    X = np.linspace(-1, 1, 40)[:, None]
    Y = (X > 0.1).astype(int)
    tuned = tune((X, Y), (X, Y))
    assert {trial["val_macro_auroc"] for trial in tuned.trials} == {1.0}
    assert tuned.choice["strength"] == min(trial["strength"] for trial in tuned.trials) == 1e-3
    assert tuned.choice["at_edge"]


def test_a_scale_of_the_features_changes_nothing():
    (X, Y), val = split(seed=1), split(seed=2)
    plain, scaled = tune((X, Y), val), tune((X * 16, Y), (val[0] * 16, val[1]))
    assert plain.choice == scaled.choice


def test_one_range_of_strengths_suits_every_size_of_subset():
    """Strong noise at n = 40 needs a strong penalty; the same strengths are searched at any n."""
    small = tune(split(40, 60, seed=1, noise=4.0), split(400, 60, seed=2, noise=4.0))
    large = tune(split(2000, 60, seed=1, noise=4.0), split(400, 60, seed=2, noise=4.0))
    for tuned in (small, large):
        assert 1e-3 <= tuned.choice["strength"] <= 1e3
    assert large.choice["val_macro_auroc"] > small.choice["val_macro_auroc"]


def test_classes_without_both_labels_in_validation_are_left_out():
    train, (X, Y) = split(seed=1), split(seed=2)
    Y[:, 0] = 0
    tuned = tune(train, (X, Y), trials=2)
    assert tuned.choice["val_macro_auroc"] == round(macro(auroc(Y, tuned.scores(X))), 6)
    Y[:] = 1
    with pytest.raises(BenchmarkError, match="no class has both"):
        tune(train, (X, Y), trials=2)


def test_a_class_without_both_labels_in_train_counts_one_half():
    (X, Y), val = split(seed=1), split(seed=2)
    Y[:, 0] = 0
    tuned = tune((X, Y), val, trials=2)
    assert auroc(val[1], tuned.scores(val[0]))[0] == 0.5


def test_the_record_is_json_and_names_the_sampler():
    tuned = tune(split(seed=1), split(seed=2), trials=3, seed=7, space=Space(0.1, 10.0, (True,)))
    record = json.loads(json.dumps({"choice": tuned.choice, "trials": tuned.trials, "search": tuned.search}))
    assert record["search"]["sampler"] == "TPESampler" and record["search"]["options"]["seed"] == 7
    assert record["search"]["optuna"] == optuna.__version__
    assert all(trial["balanced"] and not trial["unconverged_classes"] for trial in record["trials"])
    assert [trial["strength"] for trial in record["trials"]] == pytest.approx([0.1, 1.0, 10.0])


def test_standardisation_is_searched_on_request():
    """A noisy feature has a large scale: with few recordings it helps to divide by the standard deviation."""
    (X, Y), (V, W) = split(n=60, dim=40, seed=1), split(n=400, dim=40, seed=2)
    tuned = tune((X, Y), (V, W), trials=16, space=Space.of("penalty+weighting+standardisation"))
    assert {trial["standardise"] for trial in tuned.trials} == {True, False}
    seventh = max(tuned.trials[:8], key=lambda trial: (trial["val_macro_auroc"], -trial["strength"]))
    weighting, plain = tuned.trials[8:10]  # the neighbours of the best of the grid
    assert (weighting["balanced"], weighting["standardise"]) == (True, True)
    assert (plain["balanced"], plain["standardise"]) == (False, False)
    assert weighting["strength"] == plain["strength"] == seventh["strength"]
    assert tuned.choice["standardise"] and tuned.search["standardise"] == [True, False]
    assert macro(auroc(W, tuned.scores(V))) == pytest.approx(tuned.choice["val_macro_auroc"], abs=1e-6)


def test_without_standardisation_the_features_keep_their_proportions():
    """The solution is scikit-learn's on the raw features, C being measured in their mean variance."""
    (X, Y), val = split(n=120, dim=6, seed=1), split(seed=2, dim=6)
    tuned = tune((X, Y), val, trials=1, space=Space(1.0, 1.0, (True,), (False,)))
    scale = X.var(axis=0, dtype=float).mean() ** 0.5
    for c in range(3):
        model = LogisticRegression(C=1 / 6, class_weight="balanced", tol=1e-9, max_iter=5000)
        model.fit((X - X.mean(axis=0)) / scale, Y[:, c])
        expected = (val[0] - X.mean(axis=0)) / scale @ model.coef_[0] + model.intercept_[0]
        np.testing.assert_allclose(tuned.scores(val[0])[:, c], expected, atol=5e-3)


@pytest.mark.parametrize("wrong", ["weighting", "penalty+standardization", "penalty+penalty", ""])
def test_an_invalid_search_is_named(wrong):
    with pytest.raises(UsageError, match="penalty among them"):
        Space.of(wrong)


# --- resuming ---

KILLED = """
import os, sys, signal
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_search import search, split, Space, tune
solve = search._Solver.solve
def die(self, params, first):
    if first == {first}:
        os.kill(os.getpid(), signal.SIGKILL)
    return solve(self, params, first)
search._Solver.solve = die
tune(split(seed=1), split(seed=2), 20, space=Space.of({parts!r}), journal=Path({journal!r}))
"""


@pytest.mark.parametrize(("parts", "first"), [("penalty+weighting", 8), ("penalty+weighting+standardisation", 16)])
def test_a_killed_search_resumes_to_the_same_bits(tmp_path, monkeypatch, parts, first):
    """The best trial is in the journal: it is solved again and must be the same."""
    journal, space = tmp_path / "search.jsonl", Space.of(parts)
    code = KILLED.format(tests=str(Path(__file__).parent), first=first, parts=parts, journal=str(journal))
    root = Path(__file__).parents[2]
    process = subprocess.run([sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert process.returncode == -signal.SIGKILL and len(journal.read_text().splitlines()) == 1 + first // 8
    first_trials = []
    solve = search._Solver.solve
    monkeypatch.setattr(
        search._Solver, "solve", lambda self, params, first: first_trials.append(first) or solve(self, params, first)
    )
    with threadpool_limits(1):
        torch.set_num_threads(1)
        resumed = tune(split(seed=1), split(seed=2), 20, space=space, journal=journal)
        assert 0 not in first_trials or resumed.choice["number"] < 8  # the first batch came from the journal
        again = tune(split(seed=1), split(seed=2), 20, space=space, journal=journal)  # all of it does
        whole = tune(split(seed=1), split(seed=2), 20, space=space)
    for other in (resumed, again):
        assert other.trials == whole.trials and other.choice == whole.choice
        assert np.array_equal(other.scores(split(seed=3)[0]), whole.scores(split(seed=3)[0]))


def test_a_journal_of_other_data_or_options_is_not_used(tmp_path, monkeypatch):
    journal = tmp_path / "search.jsonl"
    train, val = split(seed=1), split(seed=2)
    tune(train, val, 8, journal=journal)
    text = journal.read_text()
    shifted = (train[0] + np.float32(1e-3), train[1])
    for other, options in ((shifted, {}), (train, {"seed": 1}), (train, {"space": Space(0.1, 1.0)})):
        journal.write_text(text)
        tuned = tune(other, val, 8, journal=journal, **options)
        assert tuned.trials == tune(other, val, 8, **options).trials
    journal.write_text(text[:-9])  # a truncated line is solved again
    assert tune(train, val, 8, journal=journal).trials == tune(train, val, 8).trials
    assert len(journal.read_text().splitlines()) == 2


def test_the_seconds_end_a_search_between_batches():
    tuned = tune(split(seed=1), split(seed=2), trials=24, seconds=1e-9)
    assert len(tuned.trials) == 8 and "after 8 trials" in tuned.search["stopped"]


def test_unconverged_classes_are_recorded(monkeypatch):
    solve = search.ProbeBasis.solve
    monkeypatch.setattr(search.ProbeBasis, "solve", lambda self, *args: solve(self, *args, limit=1))
    tuned = tune(split(seed=1), split(seed=2), trials=8)
    assert tuned.trials[7]["unconverged_classes"] == [0, 1, 2]


def test_optuna_is_silent_and_its_verbosity_is_restored(capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tune(split(seed=1), split(seed=2), trials=10)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr() == ("", "")


def test_wrong_input_is_named():
    train, val = split(seed=1), split(seed=2)
    with pytest.raises(BenchmarkError, match="trials"):
        tune(train, val, trials=0)
    with pytest.raises(BenchmarkError, match="validation labels"):
        tune(train, (val[0], val[1][:, :2]))
    with pytest.raises(BenchmarkError, match="validation labels"):
        tune(train, (val[0], val[1][:-1]))
    with pytest.raises(BenchmarkError, match="search space"):
        Space(1.0, 0.1)
    broken = val[0].copy()
    broken[0, 0] = np.nan
    with pytest.raises(BenchmarkError, match="not finite"):
        tune(train, (broken, val[1]))


def test_scikit_learn_is_not_imported():
    code = "import sys, benchmark.probes.search, benchmark.metrics.statistics; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
