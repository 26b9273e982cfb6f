"""The feature cache: one file per identity, whole or absent; the output of methods is checked."""

import itertools
import json

import numpy as np
import pytest
import torch

from benchmark.api import SequenceMethod
from benchmark.cache.checksums import is_sealed
from benchmark.cache.json_files import read_json
from benchmark.data.store.fingerprints import fingerprints
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import precision
from benchmark.engine.events import discard_event
from benchmark.engine.features import cached_features, cached_signal, extract, stored_cost
from benchmark.errors import BenchmarkError, UsageError
from benchmark.layers import layer_missing
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod

IDENTITY = {"method": "fake", "version": 1, "config": {}, "weights": None}


@pytest.fixture
def data(synthetic_home):
    return open_dataset("synthetic", {"patients": 120}, synthetic_home)


class Handle:
    """The part of a `MethodHandle` that the cache uses; `build` is called for each method that it requests."""

    device = "cpu"

    def __init__(self, build, identity=IDENTITY, precision="fp32"):
        self.build, self.identity, self.precision = build, identity, precision

    @property
    def method(self):
        return self.build()


def cached(data, folder, identity=IDENTITY, layer="features", method=FakeMethod, rows=None, on_event=discard_event):
    rows = np.arange(len(data)) if rows is None else rows
    return cached_features(Handle(method, identity), layer, data, rows, folder, on_event)


def test_rows_come_in_order_and_from_the_cache(data, tmp_path):
    output_signal = cached(data, tmp_path)
    ecg = torch.from_numpy(data.millivolt(np.arange(len(data))))
    assert np.allclose(output_signal, FakeMethod().ecg_features(ecg).numpy(), atol=1e-5)
    again = cached(data, tmp_path, method=lambda: pytest.fail("the method was built although the cache is warm"))
    assert np.array_equal(output_signal, again)


@pytest.mark.parametrize(
    "change",
    [{"identity": {**IDENTITY, "weights": "abc"}}, {"identity": {**IDENTITY, "version": 2}}, {"layer": "embeddings"},
     {"identity": {**IDENTITY, "config": {"rate": 50}}}, {"rows": np.arange(7)}],
)  # fmt: skip
def test_whatever_shapes_the_features_names_another_file(data, tmp_path, change):
    cached(data, tmp_path)
    cached(data, tmp_path, **change)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_a_crash_while_writing_leaves_nothing(data, tmp_path, monkeypatch):
    def half(like, rows, path):
        path.write_bytes(b"\x93NUMPY half a file")
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr("benchmark.engine.features._space", half)
        with pytest.raises(OSError, match="disk full"):
            cached(data, tmp_path)
    assert not list(tmp_path.glob("*.npy")) and not list(tmp_path.glob(".*.npy"))
    assert len(cached(data, tmp_path)) == len(data)


def test_a_cache_that_is_damaged_in_any_way_is_made_anew(data, tmp_path, damage):
    """Features, their cost and the form of the signals: equal results after every damage, and a sentence."""
    rows, seeds = np.arange(9), iter(range(18))
    expected = np.array(cached(data, tmp_path, rows=rows))
    cached_signal(IDENTITY, FakeMethod, tmp_path)
    cost = stored_cost(next(tmp_path.glob("*.npy")))
    for file in sorted(path for path in tmp_path.iterdir() if path.suffix != ".lock"):
        for seed in itertools.islice(seeds, 6):
            notes = []
            damage(file, seed)
            again = cached(data, tmp_path, rows=rows, on_event=lambda event, notes=notes: notes.append(event.text))
            assert np.array_equal(again, expected)
            assert cached_signal(IDENTITY, FakeMethod, tmp_path, notes.append) == FakeMethod().signal
            cost_again = stored_cost(next(tmp_path.glob("*.npy")))
            assert cost_again["parameters"] == cost["parameters"] and cost_again.keys() == cost.keys()
            damages = [note for note in notes if "damaged" in note]
            assert damages == [] or (len(damages) == 1 and str(file) in damages[0]), (file, seed)
            cached(data, tmp_path, rows=rows, method=lambda: pytest.fail("made anew once more"))


def test_a_cache_of_older_code_is_used_and_protected_from_then(data, tmp_path):
    expected = np.array(cached(data, tmp_path))
    (path,) = tmp_path.glob("*.npy")
    np.save(path, expected)  # no seal, and no checksum beside it
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(read_json(beside)[0]))
    again = cached(data, tmp_path, method=lambda: pytest.fail("made anew"))
    assert np.array_equal(again, expected) and is_sealed(path)


def test_no_file_of_the_cache_is_written_through_a_memory_map(data, tmp_path, monkeypatch):
    """A full disk would end the process by a bus error."""
    new_map = np.memmap.__new__

    def reading(cls, filename, dtype=np.uint8, mode="r+", *more, **options):
        assert mode in ("r", "c"), "mapped for writing"
        return new_map(cls, filename, dtype, mode, *more, **options)

    monkeypatch.setattr(np.memmap, "__new__", reading)
    assert len(cached(data, tmp_path)) == len(data)
    assert len(fingerprints(data, tmp_path)) == len(data)


def test_fingerprints_that_are_damaged_are_made_anew(data, tmp_path, damage, caplog):
    expected = np.array(fingerprints(data, tmp_path))
    (file,) = tmp_path.glob("*.npy")
    for seed in range(5):
        damage(file, seed)
        assert np.array_equal(fingerprints(data, tmp_path), expected)
    assert caplog.text.count("is damaged") == 5


class Sequential(FakeMethod, SequenceMethod):
    """A method with ten tokens, of a tenth of the recording each."""

    def ecg_tokens(self, ecg):
        return ecg.unflatten(-1, (10, -1)).std(-1).transpose(1, 2)


def test_tokens_and_their_mean_come_from_the_cache_too(data, tmp_path):
    rows = np.arange(50)
    sequences = cached(data, tmp_path, layer="sequence", method=Sequential, rows=rows)
    assert sequences.shape == (50, 10, 12) and isinstance(sequences, np.memmap)
    means = cached(data, tmp_path, layer="tokens", method=Sequential, rows=rows)
    np.testing.assert_allclose(means, sequences.mean(1), rtol=1e-5)


def test_a_layer_that_a_method_lacks_is_said():
    assert layer_missing("features", FakeMethod) is None and layer_missing("tokens", Sequential) is None
    assert layer_missing("tokens", FakeMethod) == "FakeMethod gives no tokens"
    assert "no embeddings" in layer_missing("embeddings", METHODS.get("random_init"))


class Broken(FakeMethod):
    def ecg_features(self, ecg):
        result = super().ecg_features(ecg)
        result[1] = float("nan")
        return result


class Unpooled(FakeMethod):
    def ecg_features(self, ecg):
        return ecg


def test_nan_and_wrong_shapes_are_named(data):
    rows = np.arange(5)
    with pytest.raises(BenchmarkError, match=f"NaN or infinite features for the recordings {data.record_ids[1]}"):
        extract(Broken(), "features", data, rows, discard_event, "cpu")
    with pytest.raises(BenchmarkError, match=r"Unpooled returned \(5, 12, 1000\) for 5 recordings"):
        extract(Unpooled(), "features", data, rows, discard_event, "cpu")
    with pytest.raises(UsageError, match="no recordings"):
        extract(FakeMethod(), "features", data, rows[:0], discard_event, "cpu")


class TwoPrecisions(FakeMethod):
    precisions = ("fp32", "bf16")

    def for_inference(self, precision):
        product = TwoPrecisions()
        product.ecg_features = lambda ecg: FakeMethod.ecg_features(self, ecg) * (1.01 if precision == "bf16" else 1.0)
        return product


def test_each_precision_has_its_own_file_and_its_own_form_of_the_method(data, tmp_path):
    rows = np.arange(5)
    product = [
        cached_features(Handle(TwoPrecisions, precision=name), "features", data, rows, tmp_path, discard_event)
        for name in TwoPrecisions.precisions
    ]
    assert np.allclose(product[0] * 1.01, product[1]) and len(list(tmp_path.glob("*.npy"))) == 2


@pytest.mark.parametrize("hardware", [True, False])
def test_the_precision_follows_the_device_the_variable_and_the_method(hardware, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: hardware)
    monkeypatch.delenv(precision.PRECISION_VARIABLE, raising=False)
    assert precision.chosen_precision(TwoPrecisions, "cpu") == ("bf16" if hardware else "fp32")
    assert precision.chosen_precision(FakeMethod, "cpu") == "fp32"
    for targets in ("fp32", "bf16"):
        monkeypatch.setenv(precision.PRECISION_VARIABLE, targets)
        assert precision.chosen_precision(TwoPrecisions, "cpu") == targets
        assert precision.chosen_precision(FakeMethod, "cpu") == "fp32"
    monkeypatch.setenv(precision.PRECISION_VARIABLE, "fp8")
    with pytest.raises(UsageError, match="ECGARENA_PRECISION is 'fp8'"):
        precision.chosen_precision(FakeMethod, "cpu")


def test_a_cpu_gets_batches_of_the_size_that_the_method_asks_for(data):
    sizes = []

    class Sized(FakeMethod):
        def ecg_features(self, ecg):
            sizes.append(len(ecg))
            return super().ecg_features(ecg)

    method = Sized()
    method.cpu_batch_samples = 3 * method.signal.samples
    extract(method, "features", data, np.arange(8), discard_event, "cpu")
    assert sizes == [3, 3, 2]
