"""Two processes (gloo, CPU) train as one: same gradients, same history, one writer, decisions taken together.

One pair of real processes runs every scenario of `scenarios` and writes what it found; the tests compare.
"""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.api import Batch, MethodCard, SignalSpec, TrainableMethod
from benchmark.engine import distributed, preemption
from benchmark.engine.events import discard_event
from benchmark.engine.training import TrainingError, mean_losses, train
from benchmark.errors import UsageError
from benchmark.planning.training_config import TrainingConfig
from methods.merl import MERL
from methods.nn.contrastive import clip_loss, siglip_loss
from methods.nn.gather import gather, gather_texts, global_mean

WORDS = ("sinus", "rhythm", "left", "axis", "block", "fibrillation", "normal", "infarction")


class Pairs(nn.Module, TrainableMethod):
    """A toy with everything that needs care: BatchNorm, pairs, a learnt scale, an uneven mean, a weight never used."""

    card = MethodCard("pairs", "none", "none")

    def __init__(self, dropout=0.0):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout))
        self.right = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16, momentum=None))
        self.scale, self.bias = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.tensor(-1.0))
        self.idle, self.sometimes = nn.Linear(2, 2), nn.Linear(8, 1)

    @property
    def signal(self):
        return SignalSpec()

    def ecg_features(self, ecg):
        return self.left(ecg)

    def loss(self, batch):
        x, y = self.left(batch.ecg), self.right(batch.ecg.flip(-1))
        large = batch.ecg[batch.ecg[:, 0] > 0.5]  # another number of rows on each process, none on some
        uneven = self.sometimes(large).square().flatten() if len(large) else batch.ecg.new_zeros(0)
        return {
            "clip": clip_loss(x, y, 0.5),
            "siglip": siglip_loss(x, y, self.scale, self.bias),
            "uneven": global_mean(uneven),
            "mse": (x - y).square().mean(),
        }


class Noise:
    def __init__(self, n=64, broken=()):
        self.x = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32))
        self.x[list(broken)] = float("nan")
        self.digest = "noise"

    def __len__(self):
        return len(self.x)

    def batch(self, positions):
        return Batch(self.x[positions], [f"r{p}" for p in positions])


class Reported:
    """Noise with reports, for MERL."""

    digest = "reported"

    def __init__(self, n=8):
        draw = np.random.default_rng(1)
        self.ecg = torch.from_numpy(draw.normal(size=(n, 12, 250)).astype(np.float32))
        self.reports = [" ".join(draw.choice(WORDS, size=draw.integers(1, 6))) for _ in range(n)]

    def __len__(self):
        return len(self.ecg)

    def batch(self, positions):
        return Batch(self.ecg[positions], [f"r{p}" for p in positions], [self.reports[p] for p in positions])


def pairs(**options):
    torch.manual_seed(0)
    return Pairs(**options)


def merl():
    torch.manual_seed(0)
    method = MERL("resnet18", 8, 100.0, 2.5, embed_dim=16, dropout=0.0, text_model="small")
    method.start_pretraining(Reported().reports)
    method.lm_model.dropout.p = 0.0
    for layer in method.lm_model.layers:
        layer.dropout.p = 0.0
    return method


def gradients(method, data, size):
    """Gradients and BatchNorm statistics after the loss of one global batch."""
    method.train()
    with distributed.global_batch_norm(method):
        sum(method.loss(data.batch(distributed.shard(np.arange(size)))).values()).backward()
    weights = [weight for weight in method.parameters() if weight.requires_grad]
    distributed.average_gradients(weights)
    result = {name: weight.grad for name, weight in method.named_parameters() if weight.grad is not None}
    return result | {name: value for name, value in method.named_buffers() if value.is_floating_point()}


def stopped_after(method, steps):
    """The method, which has one process ask to stop after so many steps."""
    plain, done = method.after_step, []

    def after_step():
        plain()
        done.append(1)
        if len(done) == steps and distributed.rank() == 1:
            preemption.ask_to_stop()

    method.after_step = after_step
    return method


PLAIN = TrainingConfig(epochs=2, batch_size=16, accumulate=2, lr=0.01)
NOISY = TrainingConfig(epochs=3, batch_size=16, lr=0.01)


def scenarios(folder):
    """What each of the processes does; returns what it found."""
    result = {"rank": distributed.rank(), "size": distributed.size()}
    result["pairs"] = gradients(pairs(), Noise(), 16)
    result["merl"] = gradients(merl(), Reported(), 8)
    result["rows"] = gather(torch.full((2, 1), float(distributed.rank())))
    result["texts"] = gather_texts([f"of {distributed.rank()}"])
    method = pairs()
    result["history"] = train(method, Noise(), PLAIN, "pairs", discard_event, checkpoint=folder / "plain.pt").history
    result["val"] = mean_losses(pairs().eval(), Noise(21), PLAIN, "cpu")
    whole = pairs(dropout=0.3)
    result["whole"] = train(whole, Noise(), NOISY, "pairs", discard_event).history
    result["weights"] = whole.state_dict()
    try:
        options = {"checkpoint": folder / "noisy.pt", "checkpoint_every": 1e9}
        train(stopped_after(pairs(dropout=0.3), 6), Noise(), NOISY, "pairs", discard_event, **options)
    except preemption.Preempted as stopped:
        result["stopped"] = str(stopped)
    preemption.go_on()
    again = pairs(dropout=0.3)
    result["resumed"] = train(again, Noise(), NOISY, "pairs", discard_event, **options).history
    result["resumed_weights"] = again.state_dict()
    for name, data, config in (
        ("nan", Noise(16, broken=[3]), NOISY),
        ("odd", Noise(), TrainingConfig(epochs=1, batch_size=15)),
    ):
        try:
            train(pairs(), data, config, "pairs", discard_event)
        except (TrainingError, UsageError) as error:
            result[name] = f"{type(error).__name__}: {error}"
    return result


WORKER = """
import importlib.util, pathlib, sys, torch
spec = importlib.util.spec_from_file_location("scenes", {file!r})
scenes = importlib.util.module_from_spec(spec); spec.loader.exec_module(scenes)
torch.set_num_threads(1)
with scenes.distributed.process_group("cpu"):
    found = scenes.scenarios(pathlib.Path({folder!r}))
torch.save(found, {folder!r} + f"/rank{{found['rank']}}.pt")
"""


def environment(rank, port):
    return {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What the two processes found, by rank."""
    folder, port = tmp_path_factory.mktemp("processes"), free_port()
    command = [sys.executable, "-c", WORKER.format(file=__file__, folder=str(folder))]
    root = Path(importlib.util.find_spec("benchmark").origin).parent.parent
    workers = [
        subprocess.Popen(command, env=environment(rank, port), cwd=root, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    errors = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(errors)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name, data, size", [("pairs", Noise(), 16), ("merl", Reported(), 8)])
def test_gradients_equal_those_of_one_process_on_the_global_batch(both, name, data, size):
    alone = gradients({"pairs": pairs, "merl": merl}[name](), data, size)
    scale = max(value.norm() for value in alone.values())
    for process in both:
        assert (
            process["size"] == 2 and process[name].keys() == alone.keys()
        )  # what is never used has no gradient here either
        for key, value in alone.items():
            # a bias before BatchNorm has gradient 0 but for rounding, hence the absolute part
            assert (process[name][key] - value).norm() <= 1e-5 * value.norm() + 1e-6 * scale, key


def test_the_whole_loop_equals_one_process(both):
    method = pairs()
    alone = train(method, Noise(), PLAIN, "pairs", discard_event)
    for process in both:
        assert len(process["history"]) == 2
        for own, expected in zip(alone.history, process["history"], strict=True):
            assert expected == pytest.approx(own, rel=1e-4)
        # 21 examples in batches of 16: the same one batch here and there
        assert process["val"] == pytest.approx(mean_losses(pairs().eval(), Noise(21), PLAIN, "cpu"), rel=1e-5)


def test_all_processes_stop_where_one_is_asked_to_and_resume_to_the_bit(both):
    for process in both:
        assert "stopped after step 7" in process["stopped"]  # asked after step 6 was taken: noticed with the next
        assert process["resumed"] == process["whole"]
        assert all(torch.equal(value, process["weights"][name]) for name, value in process["resumed_weights"].items())
    assert both[0]["whole"] == both[1]["whole"]


def test_a_nan_of_one_process_stops_all_and_names_the_record(both):
    assert both[0]["nan"] == both[1]["nan"] and "r3" in both[0]["nan"] and both[0]["nan"].startswith("TrainingError")
    assert "multiple of the number of processes" in both[0]["odd"]


def test_rows_and_texts_come_in_the_order_of_ranks(both):
    for process in both:
        assert process["rows"].flatten().tolist() == [0, 0, 1, 1] and process["texts"] == ["of 0", "of 1"]


def test_alone_nothing_changes():
    rows = torch.rand(3, 2)
    assert gather(rows) is rows and global_mean(torch.tensor([1.0, 3.0])) == 2 and global_mean(torch.zeros(0)) == 0
    with distributed.process_group("cpu") as device:
        assert device == "cpu" and distributed.size() == 1 and distributed.everyone(5) == [5]


def test_a_half_described_group_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(UsageError, match=r"RANK is not set(.|\n)*MASTER_ADDR(.|\n)*MASTER_PORT"),
        distributed.process_group("cpu"),
    ):
        pass
