"""Pre-training with a text model from a package: read once, resumed to the same bits, named on card and record."""

import pytest

from benchmark.configuration import distinct
from benchmark.engine import pretraining
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import pretrain
from benchmark.planning.blocks import recipe
from benchmark.planning.pretrained import WEIGHTS
from benchmark.registry import METHODS

SIZES = {"width": 8, "rate": 100.0, "embed_dim": 16}
FROZEN = {"text_dropout_in_train": False, "cache_text": True}


def question(text_model, epochs=2, **options):
    config = distinct(METHODS.get("merl"), {**SIZES, "text_model": text_model, **options}, "merl")
    training = {"epochs": epochs, "batch_size": 32}
    return "merl", 1, config, recipe("merl", METHODS.get("merl"), "synthetic", {"patients": 120}, training)


def train(request, home):
    return pretrain(*request, home, discard_event)


@pytest.mark.parametrize("options", [FROZEN, {"freeze_text": False}], ids=["frozen", "trained"])
def test_a_training_with_packaged_text_goes_on_to_the_same_bits(options, tiny_text, prepared_home, monkeypatch):
    """After a kill the cache is empty: texts meet others when they are read again, and their vectors stay the same."""
    request = question(tiny_text, **options)
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
