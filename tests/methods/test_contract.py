"""Every built-in method meets the contract of `benchmark.testing.check_method`; and the check can fail."""

import pytest
import torch

from benchmark.engine.building import build
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod, check_method

SMALL = {
    "merl": {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"},
    "random_init": {"width": 8, "rate": 100.0},
    "supervised": {"width": 8, "rate": 100.0},
    "handcrafted": {},
}


@pytest.mark.parametrize("name", METHODS.names())
def test_built_in_methods(name):
    assert name in SMALL, f"give {name} a small configuration here"
    method = build(name, SMALL[name])
    if hasattr(method, "start_pretraining"):
        method.start_pretraining(["sinus rhythm", "atrial fibrillation", "left bundle branch block"] * 5)
    if hasattr(method, "start_task"):
        method.start_task(3)
        method.eval()
    check_method(method)


def test_the_fake_meets_it_too():
    check_method(FakeMethod())


class DependsOnBatch(FakeMethod):
    def ecg_features(self, ecg):
        return super().ecg_features(ecg - ecg.mean(0, keepdim=True))


class Random(FakeMethod):
    def ecg_features(self, ecg):
        return torch.rand(len(ecg), 4)


class Constant(FakeMethod):
    def ecg_features(self, ecg):
        return torch.ones(len(ecg), 4)


class Unpooled(FakeMethod):
    def ecg_features(self, ecg):
        return ecg


@pytest.mark.parametrize(
    "method, message",
    [(DependsOnBatch, "depends on the others"), (Random, "differ"), (Constant, "same row"), (Unpooled, "expected")],
)
def test_the_check_can_fail(method, message):
    with pytest.raises(AssertionError, match=message):
        check_method(method())
