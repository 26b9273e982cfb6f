"""Files that a killed run goes on from: damaged ones are named, and what can be made anew is, with a word."""

import numpy as np
import pytest
import torch

from benchmark.api import Batch, MethodCard, SignalSpec, TrainableMethod
from benchmark.engine.events import discard_event
from benchmark.engine.training import train
from benchmark.errors import MissingError
from benchmark.planning.training_config import TrainingConfig
from benchmark.reporting.decoder import DecoderSize, make_decoder
from benchmark.reporting.learner import Learner
from benchmark.reporting.recordings import Pairs, statistics
from benchmark.reporting.training import train_decoder

CONFIG = TrainingConfig(epochs=1, batch_size=8)


class Line(torch.nn.Linear, TrainableMethod):
    card = MethodCard("line", "none", "none")
    signal = SignalSpec()

    def __init__(self):
        super().__init__(4, 4)

    def ecg_features(self, ecg):
        return self(ecg)

    def loss(self, batch):
        return {"size": self(batch.ecg).square().mean()}


class Ones:
    def __len__(self):
        return 16

    def batch(self, positions):
        return Batch(torch.ones(len(positions), 4), [str(position) for position in positions])


def not_finite(state):
    state["model"]["weight"][0, 0] = torch.nan


def test_a_training_does_not_go_on_from_a_damaged_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    train(Line(), Ones(), CONFIG, "line", discard_event, checkpoint=path)
    whole = path.read_bytes()
    state = torch.load(path, weights_only=True)
    not_finite(state)
    torch.save(state, path)
    with pytest.raises(MissingError, match=r"checkpoint.pt cannot be used(.|\n)*weight holds 1 NaN"):
        train(Line(), Ones(), CONFIG, "line", discard_event, checkpoint=path)
    for damaged in (whole[:-200], b"", b"<html>"):
        path.write_bytes(damaged)
        with pytest.raises(
            MissingError, match=r"checkpoint.pt cannot be read: .*remove it, and what it belongs to starts"
        ):
            train(Line(), Ones(), CONFIG, "line", discard_event, checkpoint=path)


class Tokens:
    def __len__(self):
        return 8

    def batch(self, positions):
        return torch.from_numpy(np.asarray(positions, np.float32))[:, None, None].expand(-1, 2, 4)


@pytest.mark.parametrize("damage", ["cut off", "not finite"])
def test_a_damaged_decoder_is_trained_anew_with_a_word(damage, tmp_path):
    size = DecoderSize(layers=1, width=16, heads=1, vocabulary=260, text_tokens=8)
    pairs = {split: Pairs(Tokens(), ["ekg", "sinus"] * 4, list("abcdefgh")) for split in ("train", "val")}
    file, notes = tmp_path / "decoder.pt", []

    def trained():
        learner = Learner(make_decoder(size, ["ekg"], *statistics(Tokens()), seed=0), None, "short_sequence", 64)
        report = lambda event: notes.append(event.text)  # noqa: E731
        train_decoder(learner, pairs, CONFIG, "decoder", report, "cpu", file, 1.0)
        return learner.state_dict()

    expected = trained()
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-500])
    else:
        contents = torch.load(file, weights_only=True)
        next(iter(contents["state"].values())).fill_(torch.nan)
        torch.save(contents, file)
    assert not any("anew" in note for note in notes)
    again = trained()
    assert any("trained anew" in note and "decoder.pt" in note for note in notes)
    assert all(torch.equal(value, expected[name]) for name, value in again.items())
    notes.clear()
    trained()  # from the file, which is whole again
    assert not notes
