"""Losses that are read a step later, as on a GPU: the same numbers, and no step that waits for the device."""

import pytest
import torch

from benchmark.engine import training
from benchmark.engine.events import discard_event
from benchmark.engine.preemption import Preempted
from benchmark.engine.training import TrainingError, train
from benchmark.planning.training_config import TrainingConfig
from tests.toy_training import Noise, losses, toy


def late_by_one(monkeypatch):
    """Let the loop read a step's losses after the next step, as it does on a GPU."""
    monkeypatch.setattr(training, "on_gpu", lambda device: True)


def test_losses_that_are_read_a_step_later_are_the_same(monkeypatch, tmp_path):
    config, steps = TrainingConfig(epochs=3, batch_size=16, accumulate=2, lr=0.01), []
    at_once = train(toy(), Noise(), config, "toy", discard_event)
    late_by_one(monkeypatch)
    later = train(toy(), Noise(), config, "toy", lambda event: steps.append(event.done), checkpoint=tmp_path / "c.pt")
    assert later.history == at_once.history and later.step == at_once.step
    assert [step for step in steps if step] == list(range(1, later.step + 1))


def test_a_step_on_a_gpu_reads_nothing_from_it(monkeypatch):
    """Every way to a number of Python waits for the device; the loop may take it between steps alone."""
    late_by_one(monkeypatch)
    step, calls = training._Training._step, []

    def watched(self, batches):
        with monkeypatch.context() as within:
            for name in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy"):
                within.setattr(torch.Tensor, name, lambda *_, name=name: calls.append(name) or 0)
            return step(self, batches)

    monkeypatch.setattr(training._Training, "_step", watched)
    for options in ({}, {"optimiser": "sgd"}, {"clip": 0.0}):
        train(toy(), Noise(), TrainingConfig(epochs=1, batch_size=16, **options), "toy", discard_event)
    assert not calls


@pytest.mark.parametrize("where", [0, 5, 63])
def test_a_loss_that_is_read_late_still_ends_the_training_and_names_its_step(where, monkeypatch, tmp_path):
    late_by_one(monkeypatch)
    with pytest.raises(TrainingError, match=rf"not finite in epoch 1, step \d .*are not finite: r{where};"):
        train(toy(), Noise(broken=[where]), TrainingConfig(epochs=2, batch_size=16), "toy", discard_event)


def test_a_request_to_stop_that_is_read_late_keeps_every_step(monkeypatch, tmp_path):
    config = TrainingConfig(epochs=2, batch_size=16, lr=0.01)
    whole = train(toy(), Noise(), config, "toy", discard_event)
    late_by_one(monkeypatch)
    requests = iter([False, True])
    monkeypatch.setattr(training, "asked_to_stop", lambda: next(requests, False))
    with pytest.raises(Preempted, match="stopped after step 3"):
        train(toy(), Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt")
    assert losses(train(toy(), Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt")) == losses(whole)
