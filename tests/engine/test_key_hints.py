"""Checkpoints of one's own that do not fit: one error with everything in it, and hints that are true when followed."""

import textwrap

import pytest
import torch
from torch import nn

from benchmark.api import Method
from benchmark.engine.checkpoints import load_weights
from benchmark.errors import MissingError
from benchmark.testing import FakeMethod


class Own(nn.Module, FakeMethod):
    """A method with two blocks of different sizes."""

    def __init__(self):
        super().__init__()
        blocks = (nn.Sequential(nn.Conv1d(a, b, 3), nn.BatchNorm1d(b)) for a, b in ((8, 4), (4, 6)))
        self.encoder = nn.ModuleDict(dict(zip(("first", "second"), blocks, strict=True)))


STATE = Own().state_dict()
BARE = {name.removeprefix("encoder."): value for name, value in STATE.items()}
HEAD = {"head.weight": torch.zeros(5, 6), "head.bias": torch.zeros(5)}


def under(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def refusal(method, content, path):
    torch.save(content, path)
    with pytest.raises(MissingError) as error:
        load_weights(method, path)
    assert error.value.exit_code == 5
    return str(error.value)


def following(message):
    """Return the method with the code of a message pasted into its class."""
    first = next(line for line in message.splitlines() if "def checkpoint_state" in line)
    code, names = first + message.split(first)[1], {}
    exec(textwrap.dedent(code), names)
    return type("Pasted", (Own,), {"checkpoint_state": names["checkpoint_state"]})()


RENAMED = {name.replace("encoder.first", "stem").replace("encoder.second", "body.0"): STATE[name] for name in STATE}
FILES = {
    "without our prefix": BARE,
    "without our prefix, with a head": {**BARE, **HEAD},
    "compiled": under("_orig_mod.", STATE),
    "a prefix and a head": {**under("model.backbone.", BARE), **under("model.", HEAD)},
    "a head below the prefix": under("net.", {**BARE, **HEAD}),
    "a head and nothing else": {**STATE, **HEAD},
    "other names": RENAMED,
    "other names and a head": {**RENAMED, **HEAD},
    "other names below a prefix, with a head there": under("net.", {**RENAMED, **HEAD}),
    "some names are the same": {
        name.replace("encoder.second.0.", "encoder.second.conv."): value for name, value in STATE.items()
    },
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_hint_makes_the_file_fit_when_it_is_pasted(content, tmp_path):
    method = following(refusal(Own(), content, tmp_path / "w.pt"))
    load_weights(method, tmp_path / "w.pt")
    assert all(torch.equal(value, STATE[name]) for name, value in method.state_dict().items())
    torch.save(STATE, tmp_path / "ours.pt")
    load_weights(method, tmp_path / "ours.pt")  # what the harness writes has the method's own names


def test_a_hint_by_shapes_says_that_they_prove_nothing(tmp_path):
    assert "does not prove" in refusal(Own(), RENAMED, tmp_path / "w.pt")
    assert "does not prove" not in refusal(Own(), under("net.", STATE), tmp_path / "w.pt")


def test_a_prefix_with_which_a_part_fits_says_how_many_and_the_rest_is_told_then(tmp_path):
    content = under("net.", {**STATE, "encoder.first.0.weight": torch.zeros(4, 12, 3)})
    message = refusal(Own(), content, tmp_path / "w.pt")
    assert f"{len(STATE) - 1} of {len(STATE)} tensors fit" in message
    second = refusal(following(message), content, tmp_path / "w.pt")
    assert "encoder.first.0.weight (4, 12, 3) instead of (4, 8, 3) has another shape" in second


@pytest.mark.parametrize(
    "content",
    [
        {"a": torch.zeros(2)},
        {},
        {name: torch.zeros(2 * len(value)) if value.ndim else value for name, value in STATE.items()},
    ],
    ids=["foreign", "empty", "another width"],
)
def test_no_renaming_is_made_up_where_none_fits(content, tmp_path):
    assert "checkpoint_state" not in refusal(Own(), content, tmp_path / "w.pt")


def test_missing_unexpected_and_wrong_shapes_are_in_one_error(tmp_path):
    content = {**STATE, "stranger": torch.zeros(1), "encoder.first.0.bias": torch.zeros(9)}
    del content["encoder.second.0.bias"]
    message = refusal(Own(), content, tmp_path / "w.pt")
    for line in ("encoder.second.0.bias is missing", "stranger is unexpected", "encoder.first.0.bias (9,) instead of"):
        assert line in message


def with_state(function):
    return type("Overriding", (Own,), {"checkpoint_state": function})()


@pytest.mark.parametrize(
    "function, text",
    [
        (lambda self, state: state["net"], "checkpoint_state raised KeyError: 'net' (line "),
        (lambda self, state: state.nothing, "checkpoint_state raised AttributeError"),
        (lambda self, state: None, "must return a dict of tensors by name, not NoneType"),
        (lambda self, state: {"a": 1}, "must return a dict of tensors by name, not a dict of 1"),
    ],
)
def test_a_checkpoint_state_that_fails_is_one_error_that_names_file_class_and_line(function, text, tmp_path):
    message = refusal(with_state(function), STATE, tmp_path / "w.pt")
    assert "w.pt does not fit Overriding as configured" in message and text in message and "\n" not in message


def test_a_hint_beside_a_checkpoint_state_says_to_what_it_applies(tmp_path):
    method = with_state(lambda self, state: under("net.", state))
    assert "for `state` as its present checkpoint_state returns it" in refusal(method, STATE, tmp_path / "w.pt")
    assert Own.checkpoint_state is Method.checkpoint_state


@pytest.mark.parametrize(
    "content, text",
    [
        ({"ema": STATE, "epoch": 3}, 'it holds ema (a dict of 14), epoch (int): set checkpoint_entries = ("ema",)'),
        ({"a": STATE, "b": STATE}, 'checkpoint_entries = ("a",) or checkpoint_entries = ("b",)'),
        ({"epoch": 3}, "it holds epoch (int): save model.state_dict()"),
        ([1], "but list: save model.state_dict()"),
    ],
)
def test_a_file_without_a_state_dict_is_told_by_its_entries(content, text, tmp_path):
    assert text in refusal(Own(), content, tmp_path / "w.pt")
