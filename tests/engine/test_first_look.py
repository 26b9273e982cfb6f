"""Faults that would make all numbers of a run meaningless show at a few recordings, before any is extracted."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmark.api import BlindMethod, Method, MethodCard, SequenceMethod
from benchmark.data.signals.conditions import ConditionedDataset, SignalCondition
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.building import build
from benchmark.engine.events import discard_event
from benchmark.engine.features import cached_features
from benchmark.engine.first_look import AGREEMENT, LOOKED_AT, first_look
from benchmark.errors import BenchmarkError
from benchmark.testing import FakeMethod


@pytest.fixture
def data(synthetic_home):
    return open_dataset("synthetic", {"patients": 120}, synthetic_home)


def look(method, data, ready=None, layer="features", rows=None, precision="fp32"):
    rows = np.arange(len(data)) if rows is None else rows
    first_look(method, ready or method, layer, data, rows, "cpu", precision)


class DependsOnBatch(FakeMethod):
    def ecg_features(self, ecg):
        return super().ecg_features(ecg) - super().ecg_features(ecg).mean(0)


class Constant(FakeMethod):
    def ecg_features(self, ecg):
        return torch.ones(len(ecg), 4) + 1e-8 * ecg.mean((1, 2))[:, None]  # but for rounding


class Complex(FakeMethod):
    def ecg_features(self, ecg):
        return torch.fft.rfft(ecg.mean(1))[:, :8]


class Whole(FakeMethod):
    def ecg_features(self, ecg):
        return super().ecg_features(ecg).long()


class Drawn(FakeMethod):
    def ecg_features(self, ecg):
        return torch.rand(len(ecg), 4)


class NotFinite(FakeMethod):
    def ecg_features(self, ecg):
        return super().ecg_features(ecg) / 0


class Unpooled(FakeMethod):
    def ecg_features(self, ecg):
        return ecg


class Tokens(FakeMethod, SequenceMethod):
    def ecg_tokens(self, ecg):
        return torch.fft.rfft(ecg)[:, :, :4]


FAULTS = [
    (DependsOnBatch, "depends on the others in its batch"),
    (Constant, "3 different recordings have the same row"),
    (Complex, r"torch.float32 expected, torch.complex64 came"),
    (Whole, r"torch.float32 expected, torch.int64 came"),
    (Drawn, "two calls on the same recordings differ"),
    (NotFinite, "NaN or infinite values"),
    (Unpooled, r"\(batch, dim\) expected for 3 recordings, \(3, 12, 1000\) came"),
]


@dataclass
class Handle:
    """The part of a `MethodHandle` that the cache uses."""

    method: Method
    device: str = "cpu"
    precision: str = "fp32"

    @property
    def identity(self):
        return {"method": "fake", "version": 1, "config": {}, "weights": None}


@pytest.mark.parametrize(("method", "message"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fault_is_said_and_nothing_is_cached(method, message, data, tmp_path):
    who = rf"{method.__name__}, at a first look \(at the recordings {data.record_ids[0]}, .*\): .*"
    with pytest.raises(BenchmarkError, match=who + message):
        cached_features(Handle(method()), "features", data, np.arange(len(data)), tmp_path, discard_event)
    assert not list(tmp_path.glob("*.npy"))


def test_embeddings_and_tokens_are_looked_at_as_the_method_gives_them(data):
    look(FakeMethod(), data, layer="embeddings")
    for layer in ("tokens", "sequence", "short_sequence"):  # whose means would be real
        with pytest.raises(BenchmarkError, match=r"ecg_tokens: torch\.float32 expected, torch\.complex64 came"):
            look(Tokens(), data, layer=layer)


class Faster(FakeMethod):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def ecg_features(self, ecg):
        return self.factor * super().ecg_features(ecg)


@pytest.mark.parametrize("precision", AGREEMENT)
def test_the_form_for_inference_must_agree_up_to_rounding(precision, data):
    allowed = AGREEMENT[precision]
    look(FakeMethod(), data, Faster(1 + allowed / 2), precision=precision)
    for factor in (1 + 2 * allowed, float("nan")):
        with pytest.raises(BenchmarkError, match="the form for inference differs from the method itself"):
            look(FakeMethod(), data, Faster(factor), precision=precision)


def test_nan_is_seen_although_the_form_for_inference_turns_it_into_zeros(data):
    """A clamp in a fused product: max(NaN, 0) is 0 there."""
    method = build("random_init", {"width": 8, "rate": 100.0})
    method.ecg_encoder.conv1.weight.data.fill_(torch.nan)
    ready = method.for_inference("fp32")
    ecg = torch.from_numpy(data.read(np.arange(2), method.signal))
    with torch.inference_mode():
        hidden = bool(ready.ecg_features(ecg).isfinite().all())
    with pytest.raises(BenchmarkError, match="NaN or infinite values"):
        look(method, data, ready)
    assert hidden or not torch.backends.mkldnn.is_available()


class Blind(BlindMethod):
    card = MethodCard(title="Blind", paper="none", licence="MIT")

    def write_reports(self, ecg):
        return [""] * len(ecg)


class SilentButLast(ConditionedDataset):
    """A dataset in which all recordings but those in `loud` are silent."""

    def __init__(self, data, loud):
        super().__init__(data, SignalCondition())
        self.loud = loud

    def read(self, rows, spec):
        ecg = super().read(rows, spec)
        ecg[~np.isin(rows, self.loud)] = 0
        return ecg


def test_blind_methods_and_silent_recordings_may_have_equal_rows(data):
    look(Blind(), data)
    silent = SilentButLast(data, [])
    look(FakeMethod(), silent)
    with pytest.raises(BenchmarkError, match="NaN or infinite"):
        look(NotFinite(), silent)
    maxima = []

    class Counting(FakeMethod):
        def ecg_features(self, ecg):
            maxima.extend(ecg.abs().amax((1, 2)).tolist())
            return super().ecg_features(ecg)

    look(Counting(), SilentButLast(data, np.arange(30, 60)))
    assert len(maxima) == 2 * LOOKED_AT and min(maxima) > 0


def test_what_a_condition_leaves_may_be_what_a_method_does_not_look_at(data):
    class LeadTwo(FakeMethod):
        def ecg_features(self, ecg):
            return super().ecg_features(ecg[:, 1:2])

    look(LeadTwo(), data)
    look(LeadTwo(), ConditionedDataset(data, SignalCondition(leads=("I",))))


def test_few_rows_are_enough(data):
    for count in (1, 2, 3):
        look(FakeMethod(), data, rows=np.arange(count))
