"""Data that is kept on the device gives the very batches that reading gives."""

import numpy as np
import pytest
import torch

from benchmark.api import SignalSpec
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import resident
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import ReportedRecordings
from benchmark.engine.resident import ResidentData
from benchmark.engine.training import train
from benchmark.errors import UsageError
from benchmark.planning.training_config import TrainingConfig
from tests.toy_training import Noise, losses, toy


@pytest.mark.parametrize("spec", [SignalSpec(100.0, 10.0), SignalSpec(250.0, 5.0, scaling="zscore_lead")])
def test_resident_batches_are_those_that_reading_gives(spec, synthetic_home, monkeypatch):
    monkeypatch.setattr(resident, "BLOCK", 7)
    data = ReportedRecordings(open_dataset("synthetic", {"patients": 120}, synthetic_home), "train", spec)
    on_device = ResidentData(data, "cpu")
    assert on_device.digest == data.digest and len(on_device) == len(data)
    for positions in (np.arange(3), np.random.default_rng(0).permutation(len(data))[:16]):
        batch, expected = on_device.batch(positions), data.batch(positions)
        assert torch.equal(batch.ecg, expected.ecg)
        assert list(batch.record_ids) == list(expected.record_ids) and list(batch.reports) == list(expected.reports)


def test_a_training_on_resident_data_ends_with_the_same_bits():
    histories = []
    for is_resident in (False, True):
        config = TrainingConfig(epochs=2, batch_size=16, lr=0.01, resident=is_resident)
        histories.append(losses(train(toy(), Noise(), config, "toy", discard_event)))
    assert histories[0] == histories[1]


def test_data_that_does_not_fit_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 20_000))
    with pytest.raises(UsageError, match=r"needs 0.0 GB on cuda:0 .* leave the option out"):
        resident._refuse_too_large(6_000, "cuda:0")
    resident._refuse_too_large(4_000, "cuda:0")


def test_a_window_of_resident_data_is_refused():
    with pytest.raises(UsageError, match="window is 128, but resident data is read once"):
        TrainingConfig(window=128, resident=True)
