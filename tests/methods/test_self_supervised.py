"""Methods that learn from recordings alone: momentum copies, resumed trainings, and official files."""

import numpy as np
import pytest
import torch

from benchmark.api import Batch
from benchmark.engine.building import build
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import ReportedRecordings, pretrain
from benchmark.engine.training import train
from benchmark.errors import UsageError
from benchmark.planning.blocks import recipe
from benchmark.planning.training_config import TrainingConfig
from benchmark.registry import METHODS
from benchmark.testing import sample_recordings

TINY = {"width": 8, "rate": 100.0, "hidden": 32, "outputs": 16}


def batch_of(count, samples=1000, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(count, 12, samples, generator=draw), [str(i) for i in range(count)])


@pytest.mark.parametrize("name", ["byol", "moco_v3"])
def test_the_momentum_copy_starts_equal_follows_and_is_not_trained(name):
    method = build(name, {**TINY, "momentum": 0.75}).train()
    copies = dict(method.target.named_parameters())
    leaders = {f"encoder.{n}": p for n, p in method.ecg_encoder.named_parameters()}
    leaders |= {f"projector.{n}": p for n, p in method.projector.named_parameters()}
    assert copies.keys() == leaders.keys() and all(torch.equal(copies[n], p) for n, p in leaders.items())
    assert not any(p.requires_grad for p in copies.values())
    sum(method.loss(batch_of(4)).values()).backward()
    assert all(p.grad is None for p in copies.values())
    before = {n: p.clone() for n, p in copies.items()}
    with torch.no_grad():
        for leader in leaders.values():
            leader += 1
    method.after_step()
    for name, copy in copies.items():
        torch.testing.assert_close(copy, 0.75 * before[name] + 0.25 * leaders[name])


class Recordings:
    digest = "recordings of this test"

    def __init__(self, count=24):
        self.whole = batch_of(count)

    def __len__(self):
        return len(self.whole.ecg)

    def batch(self, positions):
        return Batch(self.whole.ecg[positions], [str(p) for p in positions])


class StopError(Exception):
    pass


@pytest.mark.parametrize("name", ["byol", "w2v_cmsc_rlm"])
def test_a_stopped_training_goes_on_bit_by_bit(name, tmp_path):
    """The checkpoint holds momentum copies, the count of updates and the state of the random views."""
    w2v = {"width": 32, "depth": 1, "heads": 2, "channels": 16, "stem": 3, "positions": 8, "position_groups": 2,
           "rate": 100.0, "final": 16, "entries": 8}  # fmt: skip
    config = w2v if name == "w2v_cmsc_rlm" else TINY
    options = TrainingConfig(epochs=3, batch_size=8, lr=1e-3)
    whole = build(name, config)
    train(whole, Recordings(), options, name, discard_event)

    def stop(progress):
        if progress.epoch == 2:
            raise StopError
        return {}

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(StopError):
        train(build(name, config), Recordings(), options, name, discard_event, checkpoint=path, after_epoch=stop)
    resumed = build(name, config, seed=5)  # its initial weights must not matter
    train(resumed, Recordings(), options, name, discard_event, checkpoint=path)
    states = zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


def test_recordings_without_a_report_are_learnt_from(prepared_home, monkeypatch):
    from benchmark.data.store.preparation import open_dataset

    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    spec = METHODS.get("simclr")(**TINY).signal
    reported = ReportedRecordings(data, "train", spec)
    monkeypatch.setattr(data, "reports", np.full(len(data.reports), ""))
    assert len(ReportedRecordings(data, "train", spec)) == 0
    assert len(ReportedRecordings(data, "train", spec, needs_reports=False)) == len(reported)


@pytest.mark.parametrize(("masked", "passes"), [(False, 2), (True, 1)])
def test_cmsc_takes_its_features_from_the_masked_pass_on_request(monkeypatch, masked, passes):
    sizes = {"width": 32, "depth": 1, "heads": 2, "channels": 16, "positions": 8, "position_groups": 2, "rate": 100.0}
    method = build("w2v_cmsc_rlm", {**sizes, "final": 16, "entries": 8, "cmsc_masked": masked}, seed=0).eval()
    outputs, features = [], []
    encode = method._encode
    monkeypatch.setattr(method, "_encode", lambda tokens: outputs.append(encode(tokens)) or outputs[-1])
    monkeypatch.setattr("methods.w2v_cmsc_rlm.nt_xent_loss", lambda *x: features.extend(x[:2]) or x[0].sum())
    method.loss(Batch(sample_recordings(3, method.signal), ["0"] * 3))
    assert len(outputs) == passes
    torch.testing.assert_close(torch.cat(features), outputs[-1].mean(1))  # the masked pass comes first


def test_they_pre_train_through_the_harness(prepared_home):
    training = {"epochs": 1, "batch_size": 32}
    corpus = recipe("simclr", METHODS.get("simclr"), "synthetic", {"patients": 120}, training)
    result = pretrain("simclr", 1, TINY, corpus, prepared_home, discard_event)
    assert {"loss", "nt_xent", "val_nt_xent"} <= result.card["final"].keys()
    build("simclr", TINY, result.weights)


def test_st_mem_reads_official_files_by_their_names():
    """The whole model (decoder at the top level, the embedding twice) and the encoder alone."""
    config = {"width": 64, "depth": 1, "patch": 50, "rate": 100.0, "seconds": 10.0, "decoder_width": 64}
    config["decoder_depth"] = 1
    whole = build("st_mem", config)
    state = whole.state_dict()
    official = {name.removeprefix("decoder."): value for name, value in state.items()}
    twice = {name for name in state if ".to_patch_embedding." in name}
    official |= {name.removeprefix("encoder."): state[name] for name in twice}
    assert "to_patch_embedding.1.weight" in official and "decoder_pos_embed" in official
    assert whole.checkpoint_state(official).keys() == state.keys()
    assert whole.checkpoint_state(state).keys() == state.keys()
    features = build("st_mem", {**config, "decoder_depth": 0})
    encoder = {name.removeprefix("encoder."): value for name, value in state.items() if name.startswith("encoder.")}
    for file in (official, {**encoder, "head.weight": torch.zeros(2, 64)}):
        assert features.checkpoint_state(file).keys() == features.state_dict().keys()


def test_st_mem_reads_three_crops_and_takes_the_mean_of_their_features():
    config = {"width": 64, "depth": 1, "patch": 50, "rate": 100.0, "seconds": 9.0, "decoder_depth": 0}
    method = build("st_mem", config)
    ecg = sample_recordings(2, method.signal)
    assert ecg.shape[-1] == 1000 and method.signal.scaling == "millivolt" and method.signal.resampling == "fourier"
    crops = method.official.crops(ecg, 3)
    one = build("st_mem", {**config, "preparation": "filter_first"})
    one.load_state_dict(method.state_dict())
    with torch.no_grad():
        expected = torch.stack([one.ecg_features(crop) for crop in crops]).mean(0)
        torch.testing.assert_close(method.ecg_features(ecg), expected)
    assert len(crops) == 3 and one.signal.scaling == "zscore_record"
    with pytest.raises(UsageError) as error:
        build("st_mem", {**config, "crops": 4, "scaling": "millivolt", "record_seconds": 5.0})
    assert all(text in str(error.value) for text in ("crops is 4", "scaling = 'millivolt'", "record_seconds is 5"))
