"""The quirks of the published loop do what they are documented to do."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.probes import published
from benchmark.probes.published import Loop, encode_by_lookup, train_published_probe


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(12, 8, 5, 5), nn.BatchNorm1d(8), nn.ReLU())

    def forward(self, ecg):
        return self.layers(ecg).mean(-1)

    def train(self, mode=True):
        return super().train(False)  # an override that stays in eval mode; the published loop bypasses it


def world(n=64):
    rng = np.random.default_rng(0)
    ecg = {
        split: torch.from_numpy(rng.normal(1, 2, (n, 12, 50)).astype(np.float32)) for split in ("train", "val", "test")
    }
    return ecg, rng.integers(0, 2, (n, 2)), {"val": n, "test": n}


def rates(monkeypatch, **options):
    """Return the learning rate of every step."""
    learning_rates = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: learning_rates.append(self.param_groups[0]["lr"]) or step(self)
    )
    X = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    encode = encode_by_lookup(dict.fromkeys(("train", "val", "test"), X), "cpu")
    loop = Loop(batch_size=16, **options)
    list(train_published_probe(encode, None, X[:, :2] > 0, {"val": 64, "test": 64}, loop, "cpu"))
    return learning_rates


def test_the_rate_is_cut_by_batches_as_published_or_by_epochs(monkeypatch):
    """Four batches and the epoch's own step make five scheduler steps an epoch: 40 are over after 8 epochs."""
    per_batch = rates(monkeypatch, epochs=10)
    assert len(per_batch) == 40 and per_batch[:32] == [1e-3] * 32 and per_batch[32:] == pytest.approx([1e-4] * 8)
    monkeypatch.undo()
    assert rates(monkeypatch, epochs=10, cut_per_batch=False) == [1e-3] * 40


def test_train_mode_moves_the_statistics_and_freezing_spares_the_weights():
    ecg, labels, sizes = world()
    for freeze in (True, False):
        torch.manual_seed(0)
        backbone = Backbone()
        before = {name: value.clone() for name, value in backbone.state_dict().items()}
        encode = lambda split, positions, net=backbone: net(ecg[split][positions])  # noqa: E731
        list(train_published_probe(encode, backbone, labels, sizes, Loop(epochs=2, freeze=freeze), "cpu"))
        changes = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
        assert {"layers.1.running_mean", "layers.1.running_var"} <= changes
        assert ("layers.0.weight" in changes) != freeze
        assert not backbone.training  # evaluation is in eval mode


def test_fixed_features_learn_a_linear_rule():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)).astype(np.float32)
    labels = (X[:, :2] > 0).astype(int)
    encode = encode_by_lookup(dict.fromkeys(("train", "val", "test"), X), "cpu")
    epochs = list(
        train_published_probe(
            encode, None, labels, {"val": 200, "test": 200}, Loop(epochs=60, lr=0.05, milestone=1000), "cpu"
        )
    )
    assert len(epochs) == 60 and np.array_equal(epochs[-1].logits("val"), epochs[-1].logits("test"))
    assert ((epochs[-1].logits("test") > 0) == labels).mean() > 0.95
    assert published.EVALUATION_BATCH > 200  # one batch; tests of the tasks cover several


@pytest.mark.parametrize("freeze", [True, False])
def test_the_probe_goes_back_to_an_earlier_epoch_bit_by_bit(freeze):
    ecg, labels, sizes = world()
    torch.manual_seed(0)
    backbone = Backbone()
    encode = lambda split, positions: backbone(ecg[split][positions])  # noqa: E731
    loop = Loop(epochs=4, lr=0.1, freeze=freeze)
    logits = []
    for probe in train_published_probe(encode, backbone, labels, sizes, loop, "cpu"):
        logits.append(probe.logits("test"))
        if len(logits) == 2:
            state = probe.state()
    assert not np.array_equal(logits[1], logits[-1])
    probe.restore(state)
    assert np.array_equal(probe.logits("test"), logits[1])
