"""Corrupted checkpoints: refused by name before they take memory; none with NaN or infinity is ever loaded.

A property test over 120 random corruptions; ``ECGARENA_FUZZ=10000`` makes it a long one.
"""

import argparse
import collections
import io
import os
import pickle
import random
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.engine.building import build
from benchmark.engine.checkpoints import load_weights, read_state, save_weights
from benchmark.errors import BenchmarkError, MissingError
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod

CASES = int(os.environ.get("ECGARENA_FUZZ", "120"))
LAYOUTS = ("safetensors", "torch", "legacy torch")


class Small(torch.nn.Sequential):
    """A method with the usual kinds of tensors: a convolution, a batch norm, a linear layer."""

    checkpoint_entries = ()

    def __init__(self, seed=0):
        torch.manual_seed(seed)
        super().__init__(torch.nn.Conv1d(12, 8, 7), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 4))

    def checkpoint_state(self, state):
        return state


def write(state, path, layout):
    if layout == "safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=layout == "torch")


def one_value(value, wrong, draw):
    copy = value.clone()
    copy.view(-1)[draw.randrange(copy.numel())] = wrong
    return copy


def flipped(content, draw):
    where = draw.randrange(len(content))
    return content[:where] + bytes([content[where] ^ (1 << draw.randrange(8))]) + content[where + 1 :]


OF_TENSORS = {  # kind -> (a tensor, a random generator) -> what takes its place
    "one NaN": lambda value, draw: one_value(value, float("nan"), draw),
    "all NaN": lambda value, draw: torch.full_like(value, float("nan")),
    "one infinity": lambda value, draw: one_value(value, draw.choice((1, -1)) * float("inf"), draw),
    "too large for float32": lambda value, draw: one_value(value.double(), 1e300, draw),
    "whole numbers": lambda value, draw: value.long(),
    "boolean": lambda value, draw: value > 0,
    "complex": lambda value, draw: value.to(torch.complex64),
    "zeros": lambda value, draw: torch.zeros_like(value),
}
OF_BYTES = {
    "cut off": lambda content, draw: content[: draw.randrange(len(content))],
    "a flipped bit": flipped,
}
LEGAL = ("zeros", "a flipped bit")  # the second one may also be noticed
KINDS = [*OF_TENSORS, *OF_BYTES]


@pytest.fixture(scope="module")
def state():
    return Small(seed=1).state_dict()


@pytest.fixture(scope="module")
def fresh():
    return Small(seed=2)


def corrupted(state, kind, layout, path, draw):
    """Write a checkpoint with one corruption; return the name of the damaged tensor, "" for damaged bytes."""
    name = draw.choice([key for key, value in state.items() if value.is_floating_point()])
    changes = {name: OF_TENSORS[kind](state[name], draw)} if kind in OF_TENSORS else {}
    write({**state, **changes}, path, layout)
    if kind in OF_BYTES:
        path.write_bytes(OF_BYTES[kind](path.read_bytes(), draw))
    return name if changes else ""


def test_no_corruption_with_nan_or_infinity_is_loaded(state, fresh, tmp_path):
    endings: Counter[tuple[str, str, str]] = Counter()
    for case in range(CASES):
        draw = random.Random(case)
        kind, layout = KINDS[case % len(KINDS)], LAYOUTS[case // len(KINDS) % len(LAYOUTS)]
        path = tmp_path / f"{case}.{'safetensors' if layout == 'safetensors' else 'pth'}"
        name = corrupted(state, kind, layout, path, draw)
        try:
            load_weights(fresh, path)
            same = all(torch.equal(value, state[key]) for key, value in fresh.state_dict().items())
            endings[kind, layout, "loaded, the same" if same else "loaded, other numbers"] += 1
        except MissingError as error:
            endings[kind, layout, "refused"] += 1
            assert path.name in str(error) and name in str(error), (kind, str(error))
            assert "torch.load" not in str(error) and "weights_only" not in str(error), str(error)
        assert all(torch.isfinite(value).all() for value in fresh.state_dict().values()), (case, kind)
        path.unlink()
    loadable = {(kind, layout) for kind, layout, how in endings if how == "loaded, other numbers"}
    assert {kind for kind, _ in loadable} <= set(LEGAL), endings
    assert ("a flipped bit", "torch") not in loadable, endings  # its records have checksums, and they are compared
    print("\n".join(f"{count:4} {' / '.join(how)}" for how, count in sorted(endings.items())))


def test_a_flipped_bit_in_the_numbers_of_a_torch_file_is_noticed(state, fresh, tmp_path):
    path = tmp_path / "w.pth"
    write(state, path, "torch")
    whole = path.read_bytes()
    numbers = state["0.weight"].numpy().tobytes()
    where = whole.index(numbers) + 2  # of a mantissa: the value stays finite and plausible
    path.write_bytes(whole[:where] + bytes([whole[where] ^ 1]) + whole[where + 1 :])
    with pytest.raises(MissingError, match=r"w.pth cannot be read: it is cut off or damaged"):
        load_weights(fresh, path)


def test_a_flipped_bit_in_weights_of_ours_is_noticed_unless_it_changes_nothing(fresh, tmp_path):
    """The format has no checksum; what a pre-training writes brings its own."""
    path = tmp_path / "weights.safetensors"
    save_weights(Small(seed=1), path)
    whole, expected, refusals = path.read_bytes(), read_state(path), 0
    for case in range(100):
        path.write_bytes(flipped(whole, random.Random(case)))
        try:
            state = read_state(path)
        except MissingError:
            refusals += 1
        else:
            assert all(torch.equal(value, expected[name]) for name, value in state.items())
    assert refusals > 95


def test_a_file_without_checksums_is_read_all_the_same(state, fresh, tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        write(state, tmp_path / "w.pth", "torch")
    finally:
        torch.serialization.set_crc32_options(True)
    load_weights(fresh, tmp_path / "w.pth")
    assert torch.equal(fresh.state_dict()["0.weight"], state["0.weight"])


def test_every_broken_tensor_is_listed_with_its_counts(state, fresh, tmp_path):
    broken = {name: value * torch.nan if value.is_floating_point() else value for name, value in state.items()}
    broken["0.weight"] = state["0.weight"].clone()
    broken["0.weight"].view(-1)[:3] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    write(broken, tmp_path / "w.pth", "torch")
    with pytest.raises(MissingError) as error:
        load_weights(fresh, tmp_path / "w.pth")
    message = str(error.value)
    size = state["0.weight"].numel()
    assert f"0.weight holds 1 NaN and 2 infinite values, of {size}" in message
    assert "1.weight holds 8 NaN" in message and "and 4 more tensors like these" in message
    assert error.value.exit_code == 5 and "\n" not in message


class Masked(torch.nn.Module):
    """A method with causal attention, by a mask of -inf in a buffer, as in many transformers."""

    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(3, 3)
        self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))

    checkpoint_entries = ()

    def checkpoint_state(self, state):
        return state


def test_an_attention_mask_may_hold_what_weights_may_not(tmp_path):
    save_weights(Masked(), tmp_path / "w.safetensors")
    load_weights(Masked(), tmp_path / "w.safetensors")
    wrong = Masked().state_dict()
    wrong["mask"] = torch.full((3, 3), -torch.inf)  # elsewhere than the method has it
    torch.save(wrong, tmp_path / "w.pth")
    with pytest.raises(MissingError, match="mask holds 0 NaN and 6 infinite"):
        load_weights(Masked(), tmp_path / "w.pth")


def test_weights_that_are_not_finite_are_not_written_either(tmp_path):
    module = Masked()
    module.map.bias.data[0] = torch.nan
    with pytest.raises(MissingError, match=r"Masked, whose weights were to be written(.|\n)*map.bias holds"):
        save_weights(module, tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


class ReadsAFile(torch.nn.Module, FakeMethod):
    """A method whose constructor reads its weights from a file."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, torch.nan]))


def test_weights_that_a_constructor_reads_are_looked_at_too(monkeypatch):
    monkeypatch.setitem(METHODS._classes, "reads_a_file", ReadsAFile)
    with pytest.raises(MissingError, match=r"reads_a_file as built(.|\n)*weight holds 1 NaN and 0 infinite values"):
        build("reads_a_file", {})


# --- files that are no checkpoints ---------------------------------------------------------------


PAGE = b"\xef\xbb\xbf\n<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 440449768\n"


def test_what_came_in_place_of_a_checkpoint_is_called_what_it_is(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / "script.pth"))
    with zipfile.ZipFile(tmp_path / "photos.pth", "w") as archive:
        archive.writestr("photos/1.txt", "x")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    (tmp_path / "folder.pth").mkdir()
    contents = {
        "page.pth": (PAGE, "it is a web page"),
        "pointer.safetensors": (
            POINTER,
            "Git LFS pointer to 440,449,768 bytes, not the file itself: run `git lfs pull`",
        ),
        "empty.pth": (b"", "it is empty"),
        "archive.pth": (b"\x1f\x8b\x08123", "a gzip archive: unpack it"),
        "denied.pth": (b'{"error": "not authorised"}', 'a text that begins with \'{"error": "not authorised"}\''),
        "array.pth": (pickle.dumps({"w": np.zeros(2)}), "other objects than tensors and plain values"),
        "number.pth": (pickle.dumps(3), "a pickle, but not one of torch.save"),
        "noise.pth": (bytes(range(7, 64)), "neither a torch file nor a .safetensors file"),
        "header.safetensors": (b"\x1f\x8b\x00\x00\x00\x00\x00\x00{" + b" " * 40, "no complete .safetensors file"),
        "script.pth": (None, "a TorchScript program"),
        "photos.pth": (None, "a zip archive, but not of torch"),
        "module.pth": (None, r"(torch.nn.modules.linear.Linear), and no code of a file is run"),
        "folder.pth": (None, "is a folder"),
    }
    for name, (content, message) in contents.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(MissingError) as error:
            read_state(tmp_path / name)
        assert message in str(error.value) and name in str(error.value), (name, str(error.value))
        assert "\n" not in str(error.value) and error.value.exit_code == 5
        assert not any(words in str(error.value) for words in ("weights_only", "torch.load", "arbitrary code"))


def test_a_checkpoint_with_all_that_trainings_leave_beside_weights_is_read(tmp_path):
    weight = torch.nn.Parameter(torch.ones(3))
    beside = {
        "epoch": 3, "score": np.float64(0.5), "names": {"a"}, "bytes": b"\xff", "array": bytearray(b"1"), "none": None,
        "count": collections.Counter("ab"), "optimiser": {"state": {0: {"step": torch.tensor(3.0)}}}, "complex": 1j,
        "device": torch.device("cpu"), "dtype": torch.float32, "size": torch.Size([1]), "half": torch.ones(2).half(),
    }  # fmt: skip
    weight.tag = "a tensor with attributes"
    for layout in ("torch", "legacy torch"):
        write({"model": collections.OrderedDict(w=weight), **beside}, tmp_path / "w.pth", layout)
        assert torch.equal(read_state(tmp_path / "w.pth")["w"], torch.ones(3))


# --- files that ask for memory -------------------------------------------------------------------


class Calls:
    """An object that is pickled as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def _compressed(path: Path, numbers: int) -> None:
    plain = io.BytesIO()
    torch.save({"w": torch.zeros(numbers)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for record in source.infolist():
            target.writestr(record, source.read(record), zipfile.ZIP_DEFLATED)


def _many_names(path: Path) -> None:
    shared = torch.zeros(60_000)
    torch.save({f"w{i}": shared for i in range(3_000)}, path)


BYTES = 20_000_000_000
BOMBS = {
    "strides": lambda path: torch.save({"w": torch.zeros(1).expand(BYTES // 4)}, path),
    "strides, legacy": lambda path: write({"w": torch.zeros(1).expand(BYTES // 4)}, path, "legacy torch"),
    "a tokeniser of strides": lambda path: torch.save({"_extra_state": torch.zeros(1).byte().expand(BYTES)}, path),
    "many names": _many_names,
    "compressed": lambda path: _compressed(path, 8_000_000),
    "zeros": lambda path: torch.save({"w": Calls(bytearray, BYTES)}, path),
    "a storage": lambda path: torch.save({"w": Calls(torch.UntypedStorage, BYTES)}, path),
    "a tensor": lambda path: torch.save({"w": Calls(torch.Tensor, BYTES // 4)}, path),
    "wrapped": lambda path: torch.save(
        {"w": Calls(torch._tensor._rebuild_from_type_v2, bytearray, bytearray, (BYTES,), None)}, path
    ),
    "hexadecimal": lambda path: torch.save({"w": Calls(__import__("_codecs").encode, b"x", "hex")}, path),
}


def resident() -> int:
    """Return the peak memory of this process since `clear_refs`, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_asks_for_much_memory_is_refused_before_it_gets_any(name, tmp_path):
    BOMBS[name](tmp_path / "bomb.pth")
    assert (tmp_path / "bomb.pth").stat().st_size < 400_000
    refused_within(20_000_000, lambda: read_state(tmp_path / "bomb.pth"))


def test_a_large_file_for_a_small_method_is_refused_before_it_is_read(fresh, state, tmp_path):
    """Honest about its size, if only a sparse one: 2 GB of numbers for a name that the method has in 3 kB."""
    large = 500_000_000
    plain = {"0.weight": {"dtype": "F32", "shape": [large], "data_offsets": [0, 4 * large]}}
    header = str(plain).replace("'", '"').encode()
    path = tmp_path / "w.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 4 * large)
    refused_within(20_000_000, lambda: load_weights(fresh, path))


def refused_within(limit, call):
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        pytest.skip("peaks of memory are counted on Linux alone")
    reset.write_text("5")
    before = resident()
    with pytest.raises(BenchmarkError):
        call()
    assert resident() - before < limit


@pytest.mark.parametrize("layout", ["torch", "legacy torch"])
def test_the_options_of_a_training_are_read_and_no_object_of_another_name(tmp_path, layout):
    """HeartLang's files keep an argparse.Namespace: that name is allowed, and nothing else comes with it."""
    state, path = {"w": torch.ones(2)}, tmp_path / "w.pth"
    options = argparse.Namespace(lr=5e-4, opt_betas=[0.9, 0.98], model="HeartLang", resume=None)
    write({"model": state, "args": options}, path, layout)
    assert torch.equal(read_state(path)["w"], state["w"])
    strangers = {
        "collections.deque": collections.deque([1]),
        "argparse.HelpFormatter": argparse.HelpFormatter("x"),
        "pathlib.": Path("x"),
    }
    for name, stranger in strangers.items():
        for args in (stranger, argparse.Namespace(inside=stranger)):
            write({"model": state, "args": args}, path, layout)
            with pytest.raises(MissingError) as error:
                read_state(path)
            assert "other objects than tensors and plain values" in str(error.value) and name in str(error.value)


class Disguised(argparse.Namespace):
    """Names itself a namespace and builds itself by a call."""

    def __reduce__(self):
        return os.system, ("true",)


def test_a_call_inside_the_options_of_a_training_is_not_made(tmp_path):
    torch.save({"model": {"w": torch.ones(2)}, "args": argparse.Namespace(x=Disguised())}, tmp_path / "w.pth")
    with pytest.raises(MissingError, match=r"system\), and no code of a file is run"):
        read_state(tmp_path / "w.pth")
