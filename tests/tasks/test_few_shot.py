"""Few-shot from text: zero-shot at its beginning, nested examples, and a choice by validation alone."""

import json

import numpy as np
import pytest

from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.method_handle import MethodHandle
from benchmark.errors import UsageError
from benchmark.metrics.classification import auroc, macro
from benchmark.planning.blocks import expand
from benchmark.probes.from_prompts import Part, learn_from_prompts
from tasks.few_shot import FewShot
from tasks.zero_shot import ZeroShot

CONFIG = {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"}


@pytest.fixture(scope="module")
def world(synthetic_home, tmp_path_factory):
    import shutil

    from benchmark.paths import Home

    home = Home(tmp_path_factory.mktemp("few-shot"))
    shutil.copytree(synthetic_home.data, home.data)
    data = open_dataset("synthetic", {"patients": 120}, home)
    handle = MethodHandle("merl", CONFIG, 1, None, None, "cpu")
    handle.method.start_pretraining(list(data.reports))
    return data, LabelledRows.of(data, "groups", None), home, handle


def context(world, view=None):
    data, rows, home, handle = world
    return CellContext(CellInputs(data, view or rows, handle, "synthetic", "groups", home))


@pytest.mark.parametrize("options", [{}, {"centre": "classes"}, {"prompts": "en+de", "centre": "classes"}])
def test_without_examples_it_is_zero_shot_to_the_bit(world, options):
    few, zero = FewShot(shots=0, **options), ZeroShot(**options)
    data, view, *_ = world
    predictions = few.predict(context(world))
    expected = zero.predict(context(world))
    assert np.array_equal(predictions.arrays["logits"], expected.arrays["scores"]) and predictions.thresholds is None
    truth = view.truth(data)
    assert few.score(predictions, truth).metrics == zero.score(expected, truth).metrics
    classes = view.classes
    assert few.inputs("synthetic", "groups", classes) == zero.inputs("synthetic", "groups", classes)


def test_test_labels_change_no_prediction_and_those_of_validation_do(world):
    _, view, *_ = world
    flipped = {
        split: LabelledRows(view.classes, view.rows, {**view.labels, split: 1 - view.labels[split]})
        for split in ("test", "val")
    }
    plain, test, val = (
        FewShot(shots=8).predict(context(world, rows)) for rows in (view, flipped["test"], flipped["val"])
    )
    assert np.array_equal(plain.arrays["logits"], test.arrays["logits"])
    assert json.dumps(plain.details) == json.dumps(test.details)
    assert plain.details["trials"] != val.details["trials"]


def test_examples_are_nested_and_their_number_stands_in_the_record(world):
    cell = context(world)
    sets = [set(cell.first_of_each_class(count, 1)[0]) for count in (1, 2, 4, 8)]
    assert sets[0] < sets[1] < sets[2] < sets[3]
    details = FewShot(shots=4, seed=1).predict(cell).details
    assert details["subset"]["n"] == len(sets[2]) and details["subset"]["shots"] == 4
    assert min(details["subset"]["positives"].values()) >= 4


def test_a_class_with_fewer_examples_than_asked_for_is_named(world):
    data, view, *_ = world
    task = FewShot(shots=64)
    scores = task.score(task.predict(context(world)), view.truth(data))
    assert any(note.startswith("fewer than 64 examples in train: ") for note in scores.notes)


def test_a_seed_without_examples_is_one_question():
    grid = list(expand(FewShot, {"shots": [0, 1, 2], "seed": [0, 1, 2]}, "here"))
    assert len(grid) == 1 + 2 * 3


def test_wrong_options_are_refused_together():
    with pytest.raises(UsageError, match=r"shots is -1.*\n.*centre is 'class' \(did you mean 'classes'\?\)"):
        FewShot(shots=-1, centre="class")


def planted(prompts=1.0, seed=0, n=(12, 300, 300), dim=20):
    """Classes along the first axes; the similarity is the class itself with noise, as good as `prompts`."""
    random = np.random.default_rng(seed)
    parts = []
    for size in n:
        labels = np.zeros((size, 3), np.int64)
        labels[np.arange(size), np.arange(size) % 3] = 1
        embeddings = random.normal(size=(size, dim))
        embeddings[:, :3] += 2 * labels
        similarities = prompts * labels + random.normal(size=(size, 3))
        parts.append(Part(embeddings.astype(np.float32), similarities.astype(np.float32), labels))
    return parts


def test_good_prompts_and_examples_together_beat_either():
    gains = []
    for seed in range(5):
        train, val, test = planted(prompts=1.0, seed=seed)
        both = macro(auroc(test.labels, learn_from_prompts(train, val, test).test))
        blank = [Part(part.embeddings, np.zeros_like(part.similarities), part.labels) for part in (train, val, test)]
        alone = macro(auroc(test.labels, learn_from_prompts(*blank).test))
        gains.append((both - macro(auroc(test.labels, test.similarities)), both - alone))
    assert np.mean(gains, axis=0).min() > 0.02, gains


def test_useless_examples_leave_the_zero_shot_classifier():
    train, val, test = planted(prompts=3.0)
    random = np.random.default_rng(9)
    noise = Part(random.normal(size=train.embeddings.shape).astype(np.float32), train.similarities, train.labels)
    fit = learn_from_prompts(noise, val, test)
    assert macro(auroc(test.labels, fit.test)) > macro(auroc(test.labels, test.similarities)) - 0.01


def test_it_is_a_ridge_towards_the_prompts_where_the_similarity_is_linear():
    """The minimum of ``|y - X v - b|^2 + penalty |v - share w|^2`` over v, by scikit-learn on the shifted labels."""
    from sklearn.linear_model import Ridge

    from benchmark.probes.logistic import Standardiser

    train, val, test = planted(n=(30, 200, 50))
    fit = learn_from_prompts(train, val, test)
    share, penalty = fit.choice["share"], fit.choice["penalty"]
    assert share is not None
    unit = [part.embeddings / np.linalg.norm(part.embeddings, axis=1, keepdims=True) for part in (train, test)]
    standardiser = Standardiser.fit(unit[0], each=False)
    mean, spread = val.similarities.mean(axis=0), val.similarities.std(axis=0)
    prior = [share * (part.similarities - mean) / spread for part in (train, test)]
    ridge = Ridge(alpha=penalty).fit(standardiser(unit[0]), train.labels - prior[0])
    assert np.allclose(fit.test, ridge.predict(standardiser(unit[1])) + prior[1], atol=1e-4)


def test_one_example_and_embeddings_of_length_zero_are_no_fault():
    train, val, test = planted()
    one = Part(train.embeddings[:1], train.similarities[:1], train.labels[:1])
    zero = Part(np.zeros_like(test.embeddings), test.similarities)
    assert np.isfinite(learn_from_prompts(one, val, zero).test).all()
