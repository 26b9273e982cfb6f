"""Every built-in method meets the contract of `benchmark.contract.check_method`, and the check can fail.

A new method is one line in `CASES`: a small configuration, and the parameters that never get a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from benchmark.api import MethodCard, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.contract import outcome
from benchmark.contract.methods import method_checks
from benchmark.engine.building import build
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod, check_method


@dataclass(frozen=True)
class Case:
    """A configuration that takes about a second, and patterns of parameters that no loss reaches (`unused`)."""

    config: dict[str, Any]
    unused: tuple[str, ...] = ()
    method: str = ""  # empty where the case is named after the method


RESNET = {"width": 8, "rate": 100.0}
CLIP = {**RESNET, "embed_dim": 16, "text_model": "small"}
TWO_VIEWS = {**RESNET, "hidden": 32, "outputs": 16}
MELP = {"width": 32, "depth": 1, "heads": 2, "embed_dim": 16, "caption_queries": 4, "decoder_layers": 1}
CASES = {
    "cgdmer": Case({"rate": 100.0, "patch_seconds": 0.5, "width": 32, "depth": 1, "heads": 2, "text_model": "small"}),
    "merl": Case({**RESNET, "embed_dim": 16, "text_model": "small"}, (r"ecg_encoder\.linear\..*",)),
    "merl_vit": Case({"encoder": "vit_tiny", "width": 64, "rate": 100.0, "text_model": "small"}, method="merl"),
    "deri": Case(
        {**RESNET, "embed_dim": 16, "decoder_heads": 2, "text_model": "small"},
        (r"ecg_encoder\.linear\..*", r".*\.c_proj\..*"),
    ),
    "cmelt": Case(
        {
            "width": 32,
            "depth": 1,
            "heads": 2,
            "channels": 16,
            "position_kernel": 8,
            "fusion_layers": 2,
            "mem_layer": 1,
            "decoder_width": 16,
            "decoder_depth": 1,
            "decoder_heads": 1,
            "rate": 100.0,
            "text_model": "small",
        },
    ),
    "ecg_fm": Case({"width": 32, "depth": 1, "heads": 2}),
    "melp": Case({**MELP, "text_model": "tiny"}),
    "melp_adapter": Case(MELP, method="melp"),
    "random_init": Case(RESNET),
    "frequent_report": Case({}),
    "random_report": Case({}),
    "training_mean": Case({}),
    "supervised": Case(RESNET),
    "handcrafted": Case({}),
    "ecg_clip": Case(CLIP),
    "ecg_clip_siglip": Case({**CLIP, "objective": "siglip"}, method="ecg_clip"),
    "ecg_clip_coca": Case({**CLIP, "objective": "coca", "caption_width": 16}, method="ecg_clip"),
    "simclr": Case(TWO_VIEWS),
    "byol": Case(TWO_VIEWS),
    "barlow_twins": Case(TWO_VIEWS),
    "moco_v3": Case(TWO_VIEWS),
    "simsiam": Case({**TWO_VIEWS, "bottleneck": 8}),
    "st_mem": Case({
        "width": 64, "depth": 1, "patch": 50, "rate": 100.0, "seconds": 10.0, "decoder_width": 64, "decoder_depth": 1,
        "band_pass": None,
    }),
    "ecgfounder": Case({"filters": (16, 32), "blocks": (1, 2)}),
    "heartlang": Case({"width": 16, "depth": 1, "heads": 2, "head_width": 8, "hidden": 16, "codes": 8}),
    "heartlang_mimic": Case(
        {"input": "mimic", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "hidden": 16, "codes": 8},
        method="heartlang",
    ),
    "esi": Case({"channels": (8, 16), "blocks": (1, 1), "width": 16}),
    "ked": Case({"widths": (4, 4, 4, 4)}),
    "ked_mimic": Case({"widths": (4, 4, 4, 4), "input": "mimic"}, method="ked"),
    "w2v_cmsc_rlm": Case({
        "width": 32, "depth": 1, "heads": 2, "channels": 16, "stem": 3, "positions": 8, "position_groups": 2,
        "rate": 100.0, "final": 16, "entries": 8,
    }),
    # the last norm of each branch starts at 0, so nothing before it has a gradient in the first step
    "xresnet1d101": Case(
        {"encoder": "xresnet1d50", "width": 8, "hidden": 16}, (r".*\.convs\.[01]\..*", r".*\.convs\.2\.0\..*")
    ),
}  # fmt: skip


def test_every_built_in_method_has_a_case():
    methods = {case.method or name for name, case in CASES.items()}
    missing = [name for name in METHODS.names() if METHODS.origin(name) == "built-in" and name not in methods]
    assert not missing, f"give {', '.join(missing)} a line in CASES"


@pytest.mark.parametrize("name", CASES)
def test_built_in_methods(name):
    case = CASES[name]
    method, fresh = (build(case.method or name, case.config, seed=seed) for seed in (0, 1))
    check_method(method, fresh, case.unused)


LEAVING_OUT = {  # configurations that the documents offer -> what of the contract they leave out
    "merl": ({"text_model": "none"}, {"text_embeddings", "loss and gradients"}),
    "deri": (
        {"parts": "encoder", "features": "encoder"},
        {"ecg_embeddings", "ecg_tokens", "text_embeddings", "loss and gradients"},
    ),
    "cmelt": ({"text_model": "none"}, {"text_embeddings", "loss and gradients"}),
    "melp": ({"text_model": "none"}, {"text_embeddings", "loss and gradients"}),
    "cgdmer": ({"text_model": "none", "mask_mode": "none"}, {"text_embeddings", "loss and gradients"}),
    "ecg_clip_coca": ({"text_model": "none"}, {"text_embeddings", "loss and gradients"}),
}


@pytest.mark.parametrize("name", LEAVING_OUT)
def test_a_configuration_keeps_what_it_does_not_leave_out(name):
    options, left_out = LEAVING_OUT[name]
    case = CASES[name]
    method, fresh = (build(case.method or name, {**case.config, **options}, seed=seed) for seed in (0, 1))
    result = outcome(method_checks(method, fresh, case.unused))
    assert not result.failures and set(result.left_out) == left_out
    check_method(method, fresh, case.unused)


def test_texts_that_a_cache_has_padded_otherwise_are_no_failure():
    options = {"freeze_text": True, "text_dropout_in_train": False, "cache_text": True}
    method, fresh = (build("merl", {**CASES["merl"].config, **options}, seed=seed) for seed in (0, 1))
    check_method(method, fresh, CASES["merl"].unused)


# --- the check can fail --------------------------------------------------------------------------


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


class Double(FakeMethod):
    def ecg_features(self, ecg):
        return super().ecg_features(ecg).double()


class Padded(FakeMethod):
    def text_embeddings(self, texts):
        return super().text_embeddings(texts) / max(map(len, texts), default=1)


class Pooled(FakeMethod, SequenceMethod):
    def ecg_tokens(self, ecg):
        return ecg.mean(-1)


@pytest.mark.parametrize(
    "method, message",
    [
        (DependsOnBatch, "depends on the others"),
        (Random, "differ"),
        (Constant, "same row"),
        (Unpooled, r"\(batch, dim\) expected"),
        (Double, "float32"),
        (Padded, "pad"),
        (Pooled, r"\(batch, token, dim\) expected"),
    ],
)
def test_the_check_can_fail(method, message):
    with pytest.raises(AssertionError, match=message):
        check_method(method())


class Learner(torch.nn.Module, TrainableMethod):
    """A linear map per recording, with one mistake on request."""

    card = MethodCard(title="Learner", paper="none", licence="the project's own code")

    def __init__(self, mistake=""):
        super().__init__()
        self.mistake = mistake
        self.map = torch.nn.Linear(12, 4)
        self.own = torch.Generator()
        self.spare = torch.nn.Linear(2, 2) if mistake == "gets no gradient" else None
        self.frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)
        # part of no state_dict, and never moved to another device
        self.offset = torch.randn(4) if mistake in ("on the device", "after saving") else torch.zeros(())

    @property
    def signal(self):
        return SignalSpec(rate=100.0)

    def ecg_features(self, ecg):
        offset = self.offset if self.mistake == "on the device" else self.offset.to(ecg.device)
        return self.map(ecg.std(-1)) + offset

    def loss(self, batch):
        size = self.ecg_features(batch.ecg).square().mean()
        if self.mistake == "is nan":
            size = size / (len(batch.ecg) - 1) * (len(batch.ecg) - 1)
        if self.mistake == "other losses":
            size = size * torch.rand((), generator=self.own)
        if self.mistake == "moves in loss":
            self.frozen.data += 1
        return {"size": size if self.mistake != "scalar" else size.expand(2)}


@pytest.mark.parametrize(
    "mistake",
    ["gets no gradient", "on the device", "after saving", "is nan", "other losses", "scalar", "moves in loss"],
)
def test_the_check_of_training_can_fail(mistake):
    torch.manual_seed(0)
    check_method(Learner(), Learner())
    with pytest.raises(AssertionError, match=mistake):
        check_method(Learner(mistake), Learner(mistake))


def test_a_list_of_unused_parameters_must_be_true():
    with pytest.raises(AssertionError, match="listed as unused"):
        check_method(Learner(), unused=("map.*",))
