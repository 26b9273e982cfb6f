"""Tuning with real trainings: killed and resumed to the same bits, and without any way to the test split."""

import json
import shutil

import numpy as np
import pytest

from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import LabelSet, PreparedDataset
from benchmark.engine import pretraining, training, trial_scores, tuning
from benchmark.engine.events import discard_event
from benchmark.engine.without_test import WithoutTest
from benchmark.errors import BenchmarkError, TestSetLockedError
from benchmark.paths import Home
from benchmark.planning.choice_files import read_choices
from benchmark.planning.suites import Suite
from benchmark.planning.tuning import SEED, tunings

CONFIGS = {
    "simclr": {"width": 8, "rate": 100.0},
    "merl": {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"},
}


def row_of(method="simclr", choose="val_labels", space=None, pretrain=None, **terms):
    block = {
        "name": method,
        "config": CONFIGS[method],
        "pretrain": {"dataset": "synthetic", "batch_size": 32, **(pretrain or {})},
        "tune": {"space": space or {"pretrain.lr": {"low": 1e-4, "high": 1e-2, "log": True}}},
    }
    suite = {
        **dict.fromkeys(("name", "title", "version"), "x"),
        "datasets": [{"name": "synthetic", "label_sets": ["groups"], "config": {"patients": 120}}],
        "tasks": [{"name": "linear_probe"}],
        "methods": [block],
        "tune": {"trials": 2, "rungs": [1, 7], "batch": 2, "choose": choose, **terms},
    }
    return tunings(Suite.model_validate(suite))[0]


def choice_after(row, home):
    """Tune a row and return what the file of choices would say."""
    searches = []
    tuning.tune([row], home, "cpu", discard_event, searches.append)
    return tuning.choice_of(searches[0])


@pytest.fixture(scope="module")
def tuned_home(synthetic_home, tmp_path_factory):
    """Return a home in which nothing disturbed the tuning."""
    home = Home(tmp_path_factory.mktemp("undisturbed"))
    shutil.copytree(synthetic_home.data, home.data)
    choice_after(row_of(), home)
    return home


@pytest.fixture
def undisturbed(tuned_home):
    return tuning.choice_of(tuning.look(row_of(), tuned_home))


def test_a_search_killed_in_a_training_and_in_its_scoring_resumes_to_the_same_bits(
    prepared_home, undisturbed, monkeypatch
):
    """Also the digests of all weights are in the digest of the trials."""
    row = row_of()
    for module, name, at in ((training, "seed_step", 5), (trial_scores, "tune_probe", 1)):
        original, calls = getattr(module, name), []

        def killed(*arguments, original=original, calls=calls, at=at):
            calls.append(1)
            if len(calls) == at:
                raise KeyboardInterrupt
            return original(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(module, name, killed)
            patched.setattr(tuning, "raise_if_stopping", _raise)
            with pytest.raises(KeyboardInterrupt):
                choice_after(row, prepared_home)
    assert choice_after(row, prepared_home) == undisturbed


def _raise(error, home):
    raise error


def test_what_is_kept_of_a_trial_says_what_it_tried_scored_and_cost(tuned_home, undisturbed):
    row = row_of()
    folder = tuned_home.tuning / "x" / row.digest
    assert sorted(path.name for path in folder.iterdir()) == ["trial-000.json", "trial-001.json"]  # no weights
    trials = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
    assert sorted(one["state"] for one in trials) == ["finished", "pruned"] and trials[0]["origin"] == "own"
    best = trials[undisturbed["trial"]]
    assert [rung["steps"] for rung in best["rungs"]] == [1, 7] and best["rungs"][1]["recordings"] == 7 * 32
    assert best["rungs"][1]["score"] == undisturbed["score"] and best["rungs"][1]["provenance"]["code"]
    assert undisturbed["recordings"] == 9 * 32 and undisturbed["synthetic"]
    seeds = {row.training(one["values"], 0).recipe["training"]["seed"] for one in trials}
    assert seeds == {SEED} and not list(tuned_home.pretrained.glob("*"))
    assert choice_after(row, tuned_home) == undisturbed  # nothing is left to train


def test_trials_of_other_code_are_named(tuned_home, monkeypatch):
    assert tuning.look(row_of(), tuned_home).outdated == []
    monkeypatch.setattr(tuning, "method_code", lambda name: {"method": "f" * 16})
    assert tuning.look(row_of(), tuned_home).outdated == [0, 1]


def test_poisoned_test_data_changes_no_choice(prepared_home, undisturbed, monkeypatch):
    """Labels, reports and signals of the test split are replaced in all that any code reads."""
    plain = {name: getattr(PreparedDataset, name) for name in ("label_set", "_digital")}

    def poisoned_labels(data, name):
        whole = plain["label_set"](data, name)
        is_test = data.splits[whole.rows] == "test"
        return LabelSet(whole.classes, whole.rows, np.where(is_test[:, None], 1 - whole.matrix, whole.matrix))

    def poisoned_signals(data, rows):
        samples = plain["_digital"](data, rows).copy()
        samples[data.splits[np.asarray(rows)] == "test"] = 12345
        return samples

    monkeypatch.setattr(PreparedDataset, "label_set", poisoned_labels)
    monkeypatch.setattr(PreparedDataset, "_digital", poisoned_signals)
    assert choice_after(row_of(), prepared_home) == undisturbed


def test_what_chooses_has_no_way_to_the_test_split(synthetic_home, monkeypatch):
    data = open_dataset("synthetic", {"patients": 120}, synthetic_home)
    locked, is_test = WithoutTest(data), data.splits == "test"
    assert is_test.any() and locked.digest == data.digest and len(locked) == len(data)
    labelled = locked.label_set("groups")
    assert not is_test[labelled.rows].any() and set(data.splits[labelled.rows]) == {"train", "val"}
    assert not is_test[locked.label_set("reports").rows].any()
    for name in locked.places:
        assert is_test[data.rows_of(name)].any() and not is_test[locked.rows_of(name)].any()
    assert any(map(locked.is_target, locked.places))
    for column in (locked.record_ids, locked.patient_ids, locked.reports):
        assert set(column[is_test]) == {""} and all(column[~is_test])
    assert not set(locked.table.loc[is_test, "report"]) - {""}
    train = np.flatnonzero(data.splits == "train")[:2]
    np.testing.assert_array_equal(locked.millivolt(train), data.millivolt(train))
    for read in (locked.millivolt, lambda rows: locked.read(rows, trial_signal()), lambda rows: list(locked.digital())):
        with pytest.raises(TestSetLockedError):
            read(np.flatnonzero(is_test)[:1])


def trial_signal():
    from benchmark.api import SignalSpec

    return SignalSpec(rate=100)


@pytest.mark.parametrize("choose", ["val_loss", "val_retrieval"])
def test_choices_without_labels_read_none(choose, prepared_home, monkeypatch):
    def refuse(*_):
        raise AssertionError("labels were read")

    monkeypatch.setattr(PreparedDataset, "label_set", refuse)
    losses = []
    monkeypatch.setattr(pretraining, "mean_losses", lambda *_: losses.append(1) or {"val_loss": 2.5})
    row = row_of("merl", choose, rungs=[2], trials=1)
    choice = choice_after(row, prepared_home)
    assert bool(losses) == (choose == "val_loss")  # nobody reads the loss of a trial that something else chooses by
    trial = tuning.look(row, prepared_home).trials[0]
    if choose == "val_loss":
        assert choice["score"] > 0 and not trial.rungs[0]["parts"]
    else:
        assert choice["score"] == round(np.mean([trial.rungs[0]["parts"][way] for way in ("report", "ecg")]), 6)
        assert 0 < choice["score"] < 1


def test_a_trial_that_fails_is_a_record_and_is_run_again_on_request_alone(prepared_home, monkeypatch):
    row, original = row_of(rungs=[1]), tuning.judge

    def failing(tuning_of_row, training, *rest):
        if training.recipe["training"].get("lr", 1e-3) != 1e-3:
            raise BenchmarkError("broken")
        return original(tuning_of_row, training, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "judge", failing)
        choice = choice_after(row, prepared_home)
    assert (choice["trial"], choice["failed"], choice["recordings"]) == (0, 1, 64)
    assert choice_after(row, prepared_home) == choice
    search = tuning.look(row, prepared_home)
    assert search.trials[1].state == "failed" and search.trials[1].error["message"] == "broken"
    assert tuning.set_failures_aside(search, prepared_home) == 1
    assert choice_after(row, prepared_home)["failed"] == 0


def test_a_trial_whose_validation_loss_is_no_number_fails_and_is_not_chosen(prepared_home, monkeypatch):
    """NaN has no place in an order: sorted among losses, it would stay first and be chosen."""
    row, original = row_of(choose="val_loss", rungs=[1]), trial_scores._by_loss

    def diverged(pretrained):
        judgement = original(pretrained)
        if pretrained.card["recipe"]["training"].get("lr", 1e-3) == 1e-3:
            return trial_scores.Judged(float("nan"), {}, {})
        return judgement

    monkeypatch.setattr(trial_scores, "_by_loss", diverged)
    choice = choice_after(row, prepared_home)
    assert (choice["trial"], choice["failed"]) == (1, 1)
    message = tuning.look(row, prepared_home).trials[0].error["message"]
    assert message.startswith("its loss on the validation split") and "is nan" in message


def test_a_changed_record_is_run_anew(prepared_home, tuned_home, undisturbed):
    row = row_of()
    shutil.copytree(tuned_home.tuning, prepared_home.tuning)
    paths = sorted((prepared_home.tuning / "x" / row.digest).glob("*.json"))
    paths[0].write_text(paths[0].read_text().replace('"own"', '"wn"'))
    search = tuning.look(row, prepared_home)
    assert "changed after it was written" in search.unusable[0] and not search.progress.finished
    assert choice_after(row, prepared_home) == undisturbed
    assert len(list((paths[0].parent / ".set-aside").iterdir())) == 1


def test_rows_share_a_file_of_choices(tmp_path, home):
    path = tmp_path / "x.choice.toml"
    entries = [
        {"row": f'row "{name}"', "tuning": "0", "values": {"pretrain.lr": lr, "config.x": "a\\b"}, "score": 1e-05}
        for name, lr in (("b", 1e-4), ("a", 3e-05))
    ]
    for entry in entries:
        tuning.keep_choice(entry, path, "x", home)
    assert read_choices(path) == {entry["row"]: entry for entry in entries}
    tuning.keep_choice({**entries[0], "score": 2}, path, "x", home)
    assert [entry["score"] for entry in read_choices(path).values()] == [1e-05, 2]
