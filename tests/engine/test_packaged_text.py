"""Pre-training with a text model from a package: read once, resumed to the same bits, named on card and record."""

from types import SimpleNamespace

import pytest

from benchmark.configuration import distinct
from benchmark.engine import pretraining
from benchmark.engine.events import discard_event
from benchmark.engine.outcome import _provenance as provenance_of
from benchmark.engine.pretraining import pretrain
from benchmark.planning.blocks import recipe
from benchmark.planning.pretrained import WEIGHTS
from benchmark.records.spec import RunSpec
from benchmark.registry import METHODS
from benchmark.weights.packages import find_package

SIZES = {"width": 8, "rate": 100.0, "embed_dim": 16}
FROZEN = {"text_dropout_in_train": False, "cache_text": True}


def question(text_model, epochs=2, **options):
    config = distinct(METHODS.get("merl"), {**SIZES, **options, "text_model": text_model}, "merl")
    training = {"epochs": epochs, "batch_size": 32}
    return "merl", 1, config, recipe("merl", METHODS.get("merl"), "synthetic", {"patients": 120}, training, limit=64)


def train(request, home):
    return pretrain(*request, home, discard_event)


def test_a_training_with_cached_text_goes_on_to_the_same_bits(tiny_text, prepared_home, monkeypatch):
    """After a kill the cache is empty: texts meet others when they are read again, and their vectors stay the same."""
    request = question(tiny_text, **FROZEN)
    original, calls = pretraining.mean_losses, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(pretraining, "mean_losses", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(request, prepared_home)
    resumed = train(request, prepared_home)
    (resumed.weights.parent / "card.json").unlink()
    (resumed.weights.parent / WEIGHTS).unlink()
    assert train(request, prepared_home).sha256 == resumed.sha256
    (entry,) = resumed.card["packages"]
    assert entry["option"] == "text_model" and entry["licence"] == "apache-2.0"
    assert entry["sha256"] == find_package(tiny_text).sha256


def test_a_record_names_the_package_and_its_key_the_option_alone(tiny_text):
    spec = RunSpec("merl", 1, {"text_model": tiny_text}, "zero_shot", 1, {}, "synthetic", 1, {}, "groups")
    handle = SimpleNamespace(weights_digest=None, device="cpu", precision="fp32")
    (entry,) = provenance_of(spec, handle)["packages"]
    assert entry["package"] == "tiny-text" and entry["sha256"] == find_package(tiny_text).sha256
    assert entry["sha256"] not in str(spec.to_json())
    assert "packages" not in provenance_of(RunSpec("merl", 1, {}, "zero_shot", 1, {}, "synthetic", 1, {}, "g"), handle)
