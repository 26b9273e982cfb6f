"""Strict loading of weights: whole or not at all."""

import pickle

import pytest
import torch

from benchmark.engine.building import build
from benchmark.engine.checkpoints import load_weights, read_state, save_weights
from benchmark.errors import MissingError, UsageError

CONFIG = {"width": 8, "rate": 100.0}


@pytest.fixture
def method():
    return build("random_init", {**CONFIG, "seed": 1})


def other():
    return build("random_init", {**CONFIG, "seed": 2})


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("layout", ["safetensors", "bare", "model", "model_state_dict", "module."])
def test_layouts_round_trip(method, tmp_path, layout):
    state = method.state_dict()
    path = tmp_path / ("w.safetensors" if layout == "safetensors" else "w.pth")
    if layout == "safetensors":
        save_weights(method, path)
    elif layout == "module.":
        torch.save({f"module.{key}": value for key, value in state.items()}, path)
    else:
        torch.save(state if layout == "bare" else {layout: state, "epoch": 3}, path)
    fresh = other()
    assert not same(fresh, method)
    load_weights(fresh, path)
    assert same(fresh, method)


def test_a_checkpoint_that_does_not_match_lists_all_and_changes_nothing(method, tmp_path):
    state = method.state_dict()
    name = next(key for key in state if key.endswith("conv1.weight"))
    state[name] = torch.zeros(1, 2, 3)
    state["stranger"] = torch.zeros(1)
    absent = [key for key in state if "layer4" in key]
    for key in absent:
        del state[key]
    torch.save(state, tmp_path / "w.pth")
    fresh, untouched = other(), other()
    with pytest.raises(MissingError) as error:
        load_weights(fresh, tmp_path / "w.pth")
    text = str(error.value)
    assert f"{absent[0]} is missing" in text and "stranger is unexpected" in text
    assert f"{name} (1, 2, 3) instead of" in text and "more like it" in text
    assert same(fresh, untouched)


class Evil:
    def __reduce__(self):
        return (print, ("pickle ran code",))


def test_pickles_are_not_executed_and_rubbish_is_named(tmp_path, capsys):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"a": Evil()}))
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\x00")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("evil.pth", "text.pth", "cut.safetensors", "list.pth", "absent.pth"):
        with pytest.raises(MissingError, match=name):
            read_state(tmp_path / name)
    assert "pickle ran code" not in capsys.readouterr().out


def test_a_method_without_weights_says_so(tmp_path, method):
    save_weights(method, tmp_path / "w.safetensors")
    with pytest.raises(MissingError, match="Handcrafted has no weights"):
        build("handcrafted", {}, tmp_path / "w.safetensors")


def test_building_is_deterministic_and_checks_its_options(method):
    assert same(method, build("random_init", {**CONFIG, "seed": 1}))
    with pytest.raises(UsageError, match=r"no option 'widht' \(did you mean 'width'\?\)(.|\n)*rate must be a number"):
        build("random_init", {"widht": 4, "rate": "fast"})
    with pytest.raises(UsageError, match=r"no method is called 'merll' \(did you mean 'merl'\?\)"):
        build("merll", {})
