"""A training whose order has windows: what it announces, that it resumes to the same bits, and its identity."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.api import Batch, MethodCard, SignalSpec, TrainableMethod
from benchmark.engine import distributed, training_identity
from benchmark.engine.announcing import announced
from benchmark.engine.events import discard_event
from benchmark.engine.training import train
from benchmark.planning.training_config import TrainingConfig, shuffled_batches
from benchmark.planning.window_order import windows

CONFIG = TrainingConfig(epochs=2, batch_size=8, window=32, chunk=8, lr=0.01)


class Toy(nn.Module, TrainableMethod):
    card = MethodCard("toy", "none", "none")

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Linear(4, 4)

    @property
    def signal(self):
        return SignalSpec()

    def ecg_features(self, ecg):
        return self.net(ecg)

    def loss(self, batch):
        return {"mse": (self.net(batch.ecg) - batch.ecg).square().mean()}


class Announced:
    """Data that notes what is announced and read; a reading may fail at one batch."""

    digest = "announced"

    def __init__(self, n=100, fail_at=None):
        self.x = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32))
        self.calls, self.fail_at, self.ready = [], fail_at, set()

    def __len__(self):
        return len(self.x)

    def announce(self, positions):
        self.ready.update(positions.tolist())

    def batch(self, positions):
        if len(self.calls) == self.fail_at:
            raise KeyboardInterrupt
        self.calls.append(positions)
        return Batch(self.x[positions], [f"r{p}" for p in positions])


def test_every_chunk_is_announced_before_it_is_read_and_at_most_a_window_ahead():
    data = Announced()
    shards = shuffled_batches(100, CONFIG, 0)
    for number, shard in enumerate(announced(shards, data, CONFIG, 0, 0), 1):
        assert data.ready.issuperset(shard.tolist())
        assert len(data.ready) <= number * 8 + 32 + 8  # what was read, a window and a chunk
    assert len(data.ready) == 100


def test_a_resumed_epoch_announces_nothing_of_the_windows_behind_it():
    data, (first, *_) = Announced(), windows(100, 32, 8, 0, 0)
    start = sum(map(len, first)) // 8 + 1
    next(announced(shuffled_batches(100, CONFIG, 0)[start:], data, CONFIG, 0, start))
    assert data.ready.isdisjoint(np.concatenate(first).tolist())


def test_data_that_cannot_be_told_is_read_all_the_same():
    shards = shuffled_batches(100, CONFIG, 0)
    assert list(announced(shards, object(), CONFIG, 0, 0)) == shards


def test_a_training_stopped_within_a_window_goes_on_with_the_same_batches(tmp_path):
    whole, parts = Announced(), (Announced(fail_at=15), Announced())
    expected = train(Toy(), whole, CONFIG, "toy", discard_event)
    with pytest.raises(KeyboardInterrupt):
        train(Toy(), parts[0], CONFIG, "toy", discard_event, checkpoint=tmp_path / "c.pt", checkpoint_every=0)
    progress = train(Toy(), parts[1], CONFIG, "toy", discard_event, checkpoint=tmp_path / "c.pt", checkpoint_every=0)
    assert progress.history == expected.history
    assert np.array_equal([*parts[0].calls, *parts[1].calls], whole.calls)


def test_options_that_came_later_leave_the_identity_of_older_checkpoints_alone():
    plain = training_identity.of(Toy(), "data", TrainingConfig())["options"]
    assert "window" not in plain and "chunk" not in plain
    assert training_identity.of(Toy(), "data", CONFIG)["options"]["window"] == 32


def test_processes_get_disjoint_parts_of_every_batch(monkeypatch):
    monkeypatch.setattr(distributed, "size", lambda: 4)
    parts = []
    for rank in range(4):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append([distributed.shard(batch) for batch in shuffled_batches(100, CONFIG, 0)])
    for batch, *shards in zip(shuffled_batches(100, CONFIG, 0), *parts, strict=True):
        assert np.array_equal(np.concatenate(shards), batch)
