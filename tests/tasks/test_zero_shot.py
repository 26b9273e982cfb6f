"""Zero-shot: class vectors from phrases and centring, in a space where the right result is known."""

import json

import numpy as np
import pytest
import torch

from benchmark.api import Predictions, Truth
from benchmark.errors import UsageError
from benchmark.metrics.classification import auroc
from benchmark.testing import FakeMethod
from tasks.zero_shot import ZeroShot, phrase_embeddings


class PlantedClasses(FakeMethod):
    """A text's vector has its class in two coordinates and in the third a number that all texts share."""

    def text_embeddings(self, texts):
        vectors = {"left": [1.0, 0.0, 9.0], "right": [0.0, 1.0, 9.0], "both": [1.0, 1.0, 9.0]}
        return torch.tensor([vectors[text] for text in texts])


class Context:
    """The part of a `TaskContext` that the task may use."""

    dataset, label_set, classes = "d", "l", ("left", "right")
    method = PlantedClasses()

    def __init__(self, ecg):
        self.ecg = ecg

    def features(self, split, layer):
        assert (split, layer) == ("test", "embeddings")
        return self.ecg


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"left": "left", "right": "right"}')
    return str(path)


def recordings(n=200):
    """Class membership in the first two coordinates; the third, shared with every text, is noise."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (n, 2))
    return labels, np.column_stack([labels + 0.1 * random.normal(size=(n, 2)), random.normal(size=n)]).astype(
        np.float32
    )


def test_centring_removes_what_all_prompts_share(prompts):
    labels, ecg = recordings()
    plain = ZeroShot(prompts=prompts).predict(Context(ecg)).arrays["scores"]
    centred = ZeroShot(prompts=prompts, centre="classes").predict(Context(ecg)).arrays["scores"]
    assert auroc(labels, plain).mean() < 0.75 < 0.8 < auroc(labels, centred).mean()


def test_a_class_is_the_mean_of_normalised_phrases(tmp_path):
    path = tmp_path / "p.json"
    table = {"left": ["left", "both"], "right": ["right"]}
    path.write_text(
        json.dumps({"name": "p", "language": "en", "version": "1", "about": "x", "classes": {"d": {"l": table}}})
    )
    _, ecg = recordings()
    predictions = ZeroShot(prompts=str(path)).predict(Context(ecg))
    normalize = torch.nn.functional.normalize
    left = normalize(torch.tensor([[1.0, 0, 9], [1.0, 1.0, 9]]), dim=-1)
    assert torch.allclose(phrase_embeddings(PlantedClasses(), ["left", "both"]), left)
    expected = normalize(torch.from_numpy(ecg), dim=-1) @ normalize(left.mean(0), dim=0)
    assert np.allclose(predictions.arrays["scores"][:, 0], expected.numpy(), atol=1e-6)


def test_the_spread_over_single_phrases_is_kept_and_chooses_nothing(tmp_path):
    labels, ecg = recordings()
    table = {"left": ["left", "right"], "right": ["right"]}  # the second phrase of "left" is plainly wrong
    path = tmp_path / "p.json"
    path.write_text(
        json.dumps({"name": "p", "language": "en", "version": "1", "about": "x", "classes": {"d": {"l": table}}})
    )
    task = ZeroShot(prompts=str(path), centre="classes")
    predictions = task.predict(Context(ecg))
    ids = [str(i) for i in range(len(ecg))]
    truth = Truth(ids, ids, labels, ("left", "right"), [])
    scores = task.score(predictions, truth)
    spread = scores.analysis["single_phrases"]
    assert spread["values"][0] == pytest.approx(spread["max"]) and spread["max"] - spread["min"] > 0.1
    assert spread["sd"] == pytest.approx(np.std(spread["values"], ddof=1), abs=1e-5)
    plain = task.score(Predictions(predictions.arrays), truth)
    assert plain.metrics == scores.metrics and not plain.analysis


def test_the_key_follows_the_phrases_in_use(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"a": "one", "b": "two"}')
    first = ZeroShot(prompts=str(path)).inputs("d", "l", ("a",))
    path.write_text('{"a": "one", "b": "three"}')
    assert ZeroShot(prompts=str(path)).inputs("d", "l", ("a",)) == first
    path.write_text('{"a": "uno", "b": "three"}')
    assert ZeroShot(prompts=str(path)).inputs("d", "l", ("a",)) != first


def test_wrong_options_are_named():
    with pytest.raises(UsageError, match=r"centre is 'class' \(did you mean 'classes'\?\)"):
        ZeroShot(centre="class")
