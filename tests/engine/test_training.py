"""The training loop: exact resume after a kill, a new shuffle per epoch, accumulation, NaN named."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.engine import preemption
from benchmark.engine.events import discard_event
from benchmark.engine.state_files import write_state
from benchmark.engine.training import TrainingError, mean_losses, train
from benchmark.errors import UsageError
from benchmark.planning.training_config import TrainingConfig, learning_rate, number_of_epochs, shuffled_batches
from tests import toy_training
from tests.toy_training import Noise, Toy, losses, toy


def test_it_learns_and_repeats_bit_by_bit():
    config = TrainingConfig(epochs=8, batch_size=16, lr=0.01)
    first, second = toy(), toy()
    a, b = (train(m, Noise(), config, "toy", discard_event) for m in (first, second))
    assert losses(a) == losses(b) and losses(a)[-1] < 0.8 * losses(a)[0]
    assert all(torch.equal(x, y) for x, y in zip(first.parameters(), second.parameters(), strict=True))
    assert not first.training


@pytest.mark.parametrize("options", [{}, {"optimiser": "sgd"}, {"steps": 21}])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(options, tmp_path):
    config = TrainingConfig(**{"epochs": 6, "batch_size": 16, "lr": 0.01, **options})
    whole = train(toy(), Noise(), config, "toy", discard_event)
    assert whole.step == options.get("steps", 6 * len(Noise()) // 16)

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.epoch == 4:
            raise StopError
        return {}

    with pytest.raises(StopError):
        train(toy(), Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt", after_epoch=stop)
    torch.manual_seed(99)
    method = toy(seed=5)  # what it starts from must not matter
    resumed = train(method, Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt")
    assert losses(resumed) == losses(whole) and resumed.step == whole.step


def test_sigkill_and_resume_are_bit_equal(tmp_path):
    """A real process, killed between two epochs by SIGKILL; the losses of both sittings equal an undisturbed run."""
    code = f"""
import sys, time; sys.path.insert(0, {str(sys.path[0])!r})
import importlib.util, pathlib
from benchmark.engine.events import discard_event
from benchmark.engine.training import train
from benchmark.planning.training_config import TrainingConfig
spec = importlib.util.spec_from_file_location("toys", {toy_training.__file__!r})
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
def slowly(progress):
    print(progress.epoch, flush=True); time.sleep(0.2); return {{}}
done = train(toys.toy(), toys.Noise(), TrainingConfig(epochs=5, batch_size=16, lr=0.01), "toy", discard_event,
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
    result = eval(again.splitlines()[-1].removeprefix("losses "))
    assert result == losses(
        train(toy(), Noise(), TrainingConfig(epochs=5, batch_size=16, lr=0.01), "toy", discard_event)
    )


def test_a_kill_within_an_epoch_loses_nothing_that_was_kept(tmp_path):
    """A checkpoint after every step; the data dies in the second epoch, and the losses are those of a whole run."""

    class Dying(Noise):
        reads = 0

        def batch(self, positions):
            self.reads += 1
            if self.reads == 8:
                raise OSError("the disk went away")
            return super().batch(positions)

    config = TrainingConfig(epochs=3, batch_size=8, accumulate=2, lr=0.01)  # 4 steps in each epoch
    whole, undisturbed = toy(), Noise()
    expected = train(whole, undisturbed, config, "toy", discard_event)
    options = {"checkpoint": tmp_path / "c.pt", "checkpoint_every": 0}
    with pytest.raises(OSError, match="went away"):
        train(toy(), Dying(), config, "toy", discard_event, **options)
    assert torch.load(options["checkpoint"], weights_only=True)["progress"]["step"] == 3
    notes, method = [], toy(seed=5)
    resumed = train(method, Noise(), config, "toy", lambda event: notes.append(event.text), **options)
    assert resumed.history == expected.history and any("resuming after epoch 0, step 3" in note for note in notes)
    assert all(torch.equal(x, y) for x, y in zip(method.parameters(), whole.parameters(), strict=True))


def test_a_signal_stops_after_the_step_with_its_checkpoint(tmp_path):
    """With the handler for a cluster's signal; the resumed training equals an undisturbed run to the bit."""
    config = TrainingConfig(epochs=2, batch_size=16, lr=0.01)
    expected = train(toy(), Noise(), config, "toy", discard_event)

    class Signalled(Noise):
        reads = 0

        def batch(self, positions):
            self.reads += 1
            if self.reads == 3:
                signal.raise_signal(signal.SIGUSR1)
            return super().batch(positions)

    before = signal.getsignal(signal.SIGUSR1)
    with (
        preemption.stopping_on_signals(),
        pytest.raises(preemption.Preempted, match=r"after step 3; its checkpoint is .*c.pt"),
    ):
        train(toy(), Signalled(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt")
    preemption.go_on()
    assert signal.getsignal(signal.SIGUSR1) is before
    assert not issubclass(preemption.Preempted, Exception)  # nobody may store it as a failure
    assert train(toy(), Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt").history == expected.history


def test_the_selected_epoch_survives_a_stop(tmp_path):
    """val_loss is best in the second epoch: its weights are the result, interrupted or not."""
    scores, states = [3.0, 1.0, 2.0], []
    config = TrainingConfig(epochs=3, batch_size=16, lr=0.01, select="val_loss")

    def after_epoch(progress):
        states.append({name: value.clone() for name, value in method.state_dict().items()})
        if len(states) == 3:
            raise KeyboardInterrupt
        return {"val_loss": scores[progress.epoch - 1]}

    method = toy()
    with pytest.raises(KeyboardInterrupt):
        train(method, Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt", after_epoch=after_epoch)
    second = states[1]
    method = toy()
    done = train(method, Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt", after_epoch=after_epoch)
    assert done.best == {"epoch": 2, "score": 1.0} and [row["val_loss"] for row in done.history] == scores
    assert all(torch.equal(value, second[name]) for name, value in method.state_dict().items())
    with pytest.raises(UsageError, match="needs validation data"):
        train(toy(), Noise(), config, "toy", discard_event)


def test_validation_losses_disturb_nothing_and_repeat():
    config = TrainingConfig(epochs=2, batch_size=16, lr=0.01)
    method, result = toy(), []

    def look(progress):
        result.extend(mean_losses(method, Noise(20), config, "cpu") for _ in range(2))
        return {}

    assert train(method, Noise(), config, "toy", discard_event, after_epoch=look).history == (
        train(toy(), Noise(), config, "toy", discard_event).history
    )
    assert result[0] == result[1] != result[2] and set(result[0]) == {"val_loss", "val_mse"}


def test_a_gradient_that_is_not_finite_stops_before_the_step():
    class Exploding(Toy):
        def loss(self, batch):
            return {"root": (self.net[0].weight.sum() * 0).sqrt()}  # 0, with an infinite slope

    method = Exploding()
    before = method.net[0].weight.detach().clone()
    with pytest.raises(TrainingError, match=r"the gradient is not finite.*recordings of the batch: r"):
        train(method, Noise(), TrainingConfig(epochs=1, clip=0), "toy", discard_event)
    assert torch.equal(before, method.net[0].weight)


def test_decay_spares_vectors_on_request():
    class Still(Toy):
        def loss(self, batch):
            return {"zero": self.net[0].weight.sum() * 0 + self.net[0].bias.sum() * 0}

    for decay, rest in (("all", False), ("matrices", True)):
        method = Still()
        weight, bias = method.net[0].weight.detach().clone(), method.net[0].bias.detach().clone()
        train(method, Noise(), TrainingConfig(epochs=1, weight_decay=0.5, decay=decay), "toy", discard_event)
        assert torch.equal(method.net[0].bias, bias) == rest and not torch.equal(method.net[0].weight, weight)


def test_sgd_takes_the_step_that_momentum_and_decay_say():
    """Without warm-up and clipping: v <- 0.9 v + g + decay w; w <- w - rate v."""
    config = TrainingConfig(
        epochs=3, batch_size=64, lr=0.1, warmup=0, clip=0, weight_decay=0.5, optimiser="sgd"
    )  # one batch an epoch, so its order does not matter

    class Slope(Toy):
        def loss(self, batch):
            return {"slope": self.net[0].bias.sum()}

    method, velocity = Slope(), 0.0
    bias = method.net[0].bias.detach().double()
    for step in range(3):
        velocity = 0.9 * velocity + 1 + 0.5 * bias
        bias = bias - learning_rate(step, 3, config) * velocity
    train(method, Noise(), config, "toy", discard_event)
    torch.testing.assert_close(method.net[0].bias.detach().double(), bias, atol=1e-6, rtol=1e-6)


def test_a_checkpoint_of_another_training_is_set_aside_and_nothing_of_it_is_used(tmp_path):
    """Other options, other data, other code, other shapes, or a file of older code that says nothing of them."""
    config, file, notes = TrainingConfig(epochs=2, batch_size=16), tmp_path / "c.pt", []
    expected = train(toy(), Noise(), config, "toy", discard_event).history
    again = {"checkpoint": file, "on_event": lambda event: notes.append(event.text)}
    for other in ("other options", "other data", "other code", "weights of other shapes", "does not say"):
        train(toy(), Noise(), config, "toy", discard_event, checkpoint=file)
        state = torch.load(file, weights_only=True)
        part = {"other options": "options", "other data": "data", "other code": "code"}.get(other, "form")
        if other == "does not say":
            del state["identity"]
        else:
            state["identity"][part] = "another"
        write_state(file, state)
        notes.clear()
        assert train(toy(), Noise(), config, "toy", **again).history == expected
        assert other in notes[0] and "set aside" in notes[0] and "starts anew" in notes[0]
        assert not any("resuming" in note for note in notes)
        assert train(toy(), Noise(), config, "toy", **again).history == expected  # its own, finished
    assert len(list((tmp_path / ".set-aside").iterdir())) == 5


def test_the_content_of_the_data_is_part_of_a_training(tmp_path):
    config, file, notes = TrainingConfig(epochs=1, batch_size=16), tmp_path / "c.pt", []
    train(toy(), Noise(), config, "toy", discard_event, checkpoint=file)
    other = Noise()
    other.x[0, 0] += 1
    train(toy(), other, config, "toy", lambda event: notes.append(event.text), checkpoint=file)
    assert "other data" in notes[0]


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:900] + b"\x00" * 100 + b[1000:], lambda b: b""]
)
def test_a_damaged_checkpoint_starts_a_training_anew(damage, tmp_path):
    config, file, notes = TrainingConfig(epochs=2, batch_size=16), tmp_path / "c.pt", []
    expected = train(toy(), Noise(), config, "toy", discard_event, checkpoint=file).history
    file.write_bytes(damage(file.read_bytes()))
    assert train(toy(), Noise(), config, "toy", lambda e: notes.append(e.text), checkpoint=file).history == expected
    assert f"{file} is damaged" in notes[0] and "made anew" in notes[0]


def test_the_best_epoch_by_a_given_score_is_kept_also_through_a_stop(tmp_path):
    """Epochs without a score, or with none that can be compared, are passed over; of equal scores the first stays."""
    scores = {1: None, 2: 0.5, 3: 0.5, 4: float("nan"), 5: 0.4}
    config, states = TrainingConfig(epochs=5, batch_size=16, lr=0.01), {}

    def after_epoch(progress):
        states[progress.epoch] = {name: value.clone() for name, value in method.state_dict().items()}
        if progress.epoch == 4 and stopping:
            raise KeyboardInterrupt
        return {} if scores[progress.epoch] is None else {"score": scores[progress.epoch]}

    options = {"checkpoint": tmp_path / "c.pt", "after_epoch": after_epoch, "best_by": "score"}
    method, stopping = toy(), True
    with pytest.raises(KeyboardInterrupt):
        train(method, Noise(), config, "toy", discard_event, **options)
    method, stopping = toy(seed=3), False
    progress = train(method, Noise(), config, "toy", discard_event, **options)
    assert progress.best == {"epoch": 2, "score": 0.5}
    assert all(torch.equal(value, states[2][name]) for name, value in method.state_dict().items())


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
    train(large, Noise(), TrainingConfig(epochs=2, batch_size=32, clip=0), "toy", discard_event)
    train(small, Noise(), TrainingConfig(epochs=2, batch_size=8, accumulate=4, clip=0), "toy", discard_event)
    assert torch.allclose(large.net.weight, small.net.weight, atol=1e-5)


def test_a_nan_loss_stops_and_names_the_recordings():
    with pytest.raises(
        TrainingError,
        match=r"not finite in epoch 1, step \d+ \(mse nan\); recordings with values that are not finite: r7;",
    ):
        train(toy(), Noise(n=8, broken=[7]), TrainingConfig(epochs=1, batch_size=8), "toy", discard_event)


def test_fewer_examples_than_a_batch_and_none_at_all():
    assert train(toy(), Noise(n=5), TrainingConfig(epochs=1, batch_size=64), "toy", discard_event).step == 1
    with pytest.raises(UsageError, match="nothing to train on"):
        train(toy(), Noise(n=0), TrainingConfig(epochs=1), "toy", discard_event)


def test_schedule_and_minimum_of_steps():
    config = TrainingConfig(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and rates[-1] < 0.001
    papers = TrainingConfig(lr=1.0, warmup=0, schedule="warm_restarts", restart_every=40)
    rates = [learning_rate(step, 100, papers) for step in range(100)]
    assert rates[0] == rates[40] == rates[80] == 1 and rates[20] == pytest.approx(0.5) and rates[39] < 0.01
    assert number_of_epochs(64, TrainingConfig(epochs=2, batch_size=32, min_steps=50)) == 25
    assert number_of_epochs(6400, TrainingConfig(epochs=2, batch_size=32, min_steps=50)) == 2


def test_wrong_options_are_all_named():
    with pytest.raises(UsageError, match=r"epochs is 0(.|\n)*lr is -1(.|\n)*precision is 'fp8'(.|\n)*select is 'best'"):
        TrainingConfig(epochs=0, lr=-1, precision="fp8", select="best")
    with pytest.raises(UsageError, match=r"beta2 is 0.98, but only adamw has one"):
        TrainingConfig(optimiser="sgd", beta2=0.98)
    with pytest.raises(UsageError, match=r"optimiser is 'sdg' \(did you mean 'sgd'\?\)"):
        TrainingConfig(optimiser="sdg")
    with pytest.raises(UsageError, match=r"no option 'epoch' \(did you mean 'epochs'\?\)"):
        TrainingConfig.from_options({"epoch": 3}, "pretrain of toy")


@pytest.mark.parametrize("has_bf16, precision", [(True, "bf16"), (False, "fp32")])
def test_auto_trains_in_bf16_where_the_device_multiplies_it(monkeypatch, has_bf16, precision):
    monkeypatch.setattr("benchmark.engine.precision.has_bf16", lambda device: has_bf16)
    selection, auto = (
        train(toy(), Noise(), TrainingConfig(epochs=2, batch_size=16, precision=name), "toy", discard_event)
        for name in (precision, "auto")
    )
    assert losses(auto) == losses(selection)


def test_a_training_that_began_in_bf16_does_not_go_on_in_fp32(monkeypatch, tmp_path):
    config = TrainingConfig(epochs=2, batch_size=16, precision="auto")
    monkeypatch.setattr("benchmark.engine.precision.has_bf16", lambda device: True)
    train(toy(), Noise(), config, "toy", discard_event, checkpoint=tmp_path / "c.pt")
    monkeypatch.setattr("benchmark.engine.precision.has_bf16", lambda device: False)
    events = []
    train(toy(), Noise(), config, "toy", events.append, checkpoint=tmp_path / "c.pt")
    assert any("made from other options" in str(event) for event in events)
