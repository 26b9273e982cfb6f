"""Compiled blocks: which modules they are, and that a training with them is the training without them."""

import shutil

import pytest
import torch
from torch import nn

from benchmark.engine import compiling, training_identity
from benchmark.engine.building import build
from benchmark.engine.compiling import refuse_without_compiler, repeated_blocks
from benchmark.engine.events import discard_event
from benchmark.engine.training import train
from benchmark.errors import MissingError, UsageError
from benchmark.planning.training_config import TrainingConfig
from tests.methods.test_contract import CASES
from tests.toy_training import Noise, Toy, losses, toy

CONFIG = TrainingConfig(epochs=2, batch_size=16, lr=0.01)
COMPILED = TrainingConfig(epochs=2, batch_size=16, lr=0.01, compile=True)
BLOCKS = {"merl": "BasicBlock", "merl_vit": "Block", "cmelt": "Block", "cgdmer": "Block", "st_mem": "Block"}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, x):
        return x + torch.relu(self.linear(self.norm(x)))


class Stack(Toy):
    """A toy with two blocks, without dropout: compiled code draws its random numbers otherwise."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(Block(), Block(), nn.Linear(8, 8))


def stack():
    torch.manual_seed(0)
    return Stack()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs g++, which this machine lacks")
def test_a_compiled_training_gives_the_losses_and_names_of_weights_of_the_plain_one(tmp_path):
    plain, compiled = stack(), stack()
    expected = train(plain, Noise(), CONFIG, "toy", discard_event)
    history = train(compiled, Noise(), COMPILED, "toy", discard_event, checkpoint=tmp_path / "c.pt")
    assert losses(history) == pytest.approx(losses(expected), rel=1e-5)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    assert "forward" not in vars(compiled.net[0])
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value, rtol=1e-4, atol=1e-6)


@pytest.fixture
def eager(monkeypatch):
    """Let blocks be "compiled" to a function that calls them and counts: no compiler is needed."""
    calls = []

    def compiled(forward, dynamic):
        return lambda *inputs: calls.append(dynamic) or forward(*inputs)

    monkeypatch.setattr(compiling.torch, "compile", compiled)
    monkeypatch.setattr(compiling, "refuse_without_compiler", lambda device: None)
    return calls


def test_blocks_run_compiled_in_steps_alone(eager):
    method = stack()
    train(method, Noise(), COMPILED, "toy", discard_event, after_epoch=lambda _: method.net(Noise().x) is None or {})
    assert len(eager) == 2 * COMPILED.epochs * 4 and set(eager) == {True}


def test_a_checkpoint_of_the_other_kind_is_set_aside(eager, tmp_path):
    checkpoint, notes = tmp_path / "c.pt", []
    train(stack(), Noise(), CONFIG, "toy", discard_event, checkpoint=checkpoint)
    train(stack(), Noise(), COMPILED, "toy", lambda event: notes.append(event.text), checkpoint=checkpoint)
    assert any("it was made from other options" in note for note in notes)


def test_trainings_that_are_not_compiled_keep_the_identity_that_they_had():
    options = training_identity.of(stack(), "data", CONFIG)["options"]
    assert "compile" not in options and "resident" not in options
    assert training_identity.of(stack(), "data", COMPILED)["options"]["compile"] is True


@pytest.mark.parametrize("name", BLOCKS)
def test_the_repeated_blocks_of_methods_are_found(name):
    method = build(CASES[name].method or name, CASES[name].config)
    blocks = repeated_blocks(method)
    assert BLOCKS[name] in {type(block).__name__ for block in blocks}
    inside = [part for block in blocks for part in block.modules() if part is not block]
    assert not any(part is block for part in inside for block in blocks)


def test_a_method_without_blocks_is_refused(eager):
    with pytest.raises(UsageError, match="compile = true: Toy has no list of layers to compile"):
        train(toy(), Noise(), COMPILED, "toy", discard_event)


@pytest.mark.parametrize("device, missing", [("cpu", r"a C\+\+ compiler \(nonesuch;"), ("cuda", "Triton")])
def test_a_machine_without_a_compiler_says_so(device, missing, monkeypatch):
    monkeypatch.setenv("CXX", "nonesuch")
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=f"compile = true needs {missing}"):
        refuse_without_compiler(device)
