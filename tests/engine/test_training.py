"""The training loop: exact resume after a kill, a new shuffle per epoch, accumulation, NaN named."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.api import Batch, MethodCard, SignalSpec, TrainableMethod
from benchmark.engine.events import silent
from benchmark.engine.schedule import TrainingConfig, learning_rate, number_of_epochs, shuffled_batches
from benchmark.engine.training import TrainingError, train
from benchmark.errors import UsageError


class Toy(nn.Module, TrainableMethod):
    """A little network with dropout and BatchNorm: both have state that a resume must restore."""

    card = MethodCard("toy", "none", "none")

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 8))

    @property
    def signal(self):
        return SignalSpec()

    def ecg_features(self, ecg):
        return self.net(ecg)

    def loss(self, batch):
        return {"mse": (self.net(batch.ecg) - batch.ecg).square().mean()}


class Noise:
    def __init__(self, n=64, broken=()):
        self.x = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32))
        self.x[list(broken)] = float("nan")

    def __len__(self):
        return len(self.x)

    def batch(self, positions):
        return Batch(self.x[positions], [f"r{p}" for p in positions])


def toy(seed=0):
    torch.manual_seed(seed)
    return Toy()


def losses(progress):
    return [epoch["loss"] for epoch in progress.history]


def test_it_learns_and_repeats_bit_by_bit():
    config = TrainingConfig(epochs=8, batch_size=16, lr=0.01)
    first, second = toy(), toy()
    a, b = (train(m, Noise(), config, "toy", silent) for m in (first, second))
    assert losses(a) == losses(b) and losses(a)[-1] < 0.8 * losses(a)[0]
    assert all(torch.equal(x, y) for x, y in zip(first.parameters(), second.parameters(), strict=True))
    assert not first.training


def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path):
    config = TrainingConfig(epochs=6, batch_size=16, lr=0.01)
    whole = train(toy(), Noise(), config, "toy", silent)

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.epoch == 4:
            raise StopError
        return {}

    with pytest.raises(StopError):
        train(toy(), Noise(), config, "toy", silent, checkpoint=tmp_path / "c.pt", after_epoch=stop)
    torch.manual_seed(99)
    method = toy(seed=5)  # what it starts from must not matter
    resumed = train(method, Noise(), config, "toy", silent, checkpoint=tmp_path / "c.pt")
    assert losses(resumed) == losses(whole) and resumed.step == whole.step


def test_sigkill_and_resume_are_bit_equal(tmp_path):
    """A real process, killed between two epochs by SIGKILL; the losses of both sittings equal an undisturbed run."""
    code = f"""
import sys, time; sys.path.insert(0, {str(sys.path[0])!r})
import importlib.util, pathlib
spec = importlib.util.spec_from_file_location("toys", {__file__!r}); toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
def slowly(progress):
    print(progress.epoch, flush=True); time.sleep(0.2); return {{}}
done = toys.train(toys.toy(), toys.Noise(), toys.TrainingConfig(epochs=5, batch_size=16, lr=0.01), "toy", toys.silent,
                  checkpoint=pathlib.Path({str(tmp_path / "c.pt")!r}), after_epoch=slowly)
print("losses", repr(toys.losses(done)), flush=True)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while worker.stdout.readline().strip() != "3":
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert again.splitlines()[0] in ("3", "4")  # not from the start
    found = eval(again.splitlines()[-1].removeprefix("losses "))
    assert found == losses(train(toy(), Noise(), TrainingConfig(epochs=5, batch_size=16, lr=0.01), "toy", silent))


def test_a_checkpoint_of_other_options_is_refused(tmp_path):
    train(toy(), Noise(), TrainingConfig(epochs=1), "toy", silent, checkpoint=tmp_path / "c.pt")
    with pytest.raises(UsageError, match="other options"):
        train(toy(), Noise(), TrainingConfig(epochs=2), "toy", silent, checkpoint=tmp_path / "c.pt")


def test_every_epoch_has_its_own_shuffle_without_repeats():
    config = TrainingConfig(batch_size=10, seed=3)
    first, second = (np.concatenate(shuffled_batches(64, config, epoch)) for epoch in (0, 1))
    assert len(set(first)) == len(first) == 60 and not np.array_equal(first, second)
    assert np.array_equal(first, np.concatenate(shuffled_batches(64, config, 0)))


def test_accumulation_equals_one_large_batch():
    class Plain(Toy):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(8, 8)

    torch.manual_seed(0)
    large, small = Plain(), Plain()
    small.load_state_dict(large.state_dict())
    train(large, Noise(), TrainingConfig(epochs=2, batch_size=32, clip=0), "toy", silent)
    train(small, Noise(), TrainingConfig(epochs=2, batch_size=8, accumulate=4, clip=0), "toy", silent)
    assert torch.allclose(large.net.weight, small.net.weight, atol=1e-5)


def test_a_nan_loss_stops_and_names_the_recordings():
    with pytest.raises(
        TrainingError,
        match=r"not finite in epoch 1, step \d+ \(mse nan\); recordings with values that are not finite: r7;",
    ):
        train(toy(), Noise(n=8, broken=[7]), TrainingConfig(epochs=1, batch_size=8), "toy", silent)


def test_fewer_examples_than_a_batch_and_none_at_all():
    assert train(toy(), Noise(n=5), TrainingConfig(epochs=1, batch_size=64), "toy", silent).step == 1
    with pytest.raises(UsageError, match="nothing to train on"):
        train(toy(), Noise(n=0), TrainingConfig(epochs=1), "toy", silent)


def test_schedule_and_minimum_of_steps():
    config = TrainingConfig(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and rates[-1] < 0.001
    assert number_of_epochs(64, TrainingConfig(epochs=2, batch_size=32, min_steps=50)) == 25
    assert number_of_epochs(6400, TrainingConfig(epochs=2, batch_size=32, min_steps=50)) == 2


def test_wrong_options_are_all_named():
    with pytest.raises(UsageError, match=r"epochs is 0(.|\n)*lr is -1(.|\n)*precision is 'fp8'"):
        TrainingConfig(epochs=0, lr=-1, precision="fp8")
    with pytest.raises(UsageError, match=r"no option 'epoch' \(did you mean 'epochs'\?\)"):
        TrainingConfig.from_options({"epoch": 3}, "pretrain of toy")
