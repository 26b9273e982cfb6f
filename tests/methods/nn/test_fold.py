"""Copies for inference: equal features up to rounding, all norms folded, the original unchanged."""

import pytest
import torch
from torch import nn

from benchmark.registry import METHODS
from methods.nn.fold import copy_for_inference
from methods.nn.fused import FusedBasicBlock, FusedBlock
from methods.nn.resnet1d import Norm, ResNet1D
from methods.nn.vit1d import ViT1D
from methods.nn.xresnet1d import XResNet1D


def randomise(encoder):
    """Give the norms random weights and statistics, unlike the initial ones."""
    for part in encoder.modules():
        if isinstance(part, Norm):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return encoder.eval()


ENCODERS = {
    "resnet": lambda: ResNet1D("resnet18", 8, classes=0),
    "xresnet": lambda: XResNet1D("xresnet1d50", 8),
    "vit": lambda: ViT1D(200, 64, patch=25, depth=2),
}


@pytest.mark.parametrize("precision, tolerance", [("fp32", 1e-5), ("bf16", 5e-2)])
@pytest.mark.parametrize("name", ENCODERS)
def test_equal_up_to_rounding(name, precision, tolerance):
    torch.manual_seed(0)
    encoder = randomise(ENCODERS[name]())
    ecg = torch.randn(3, 12, 200)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    fast = copy_for_inference(encoder, precision)
    with torch.no_grad():
        plain, output = encoder(ecg), fast(ecg)
    assert output.dtype == torch.float32
    assert not any(isinstance(part, Norm) for part in fast.modules())
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert (output - plain).norm() / plain.norm() < tolerance
    assert precision == "fp32" or next(fast.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ENCODERS)
def test_without_fused_products_the_numbers_are_the_same(name, monkeypatch):
    torch.manual_seed(0)
    encoder, ecg = randomise(ENCODERS[name]()), torch.randn(3, 12, 200)
    fused = copy_for_inference(encoder, "fp32")
    monkeypatch.setattr("methods.nn.fold.can_fuse", lambda device, dtype: False)
    plain = copy_for_inference(encoder, "fp32")
    assert any(isinstance(part, FusedBlock | FusedBasicBlock) for part in fused.modules()) or name == "xresnet"
    assert not any(isinstance(part, FusedBlock | FusedBasicBlock) for part in plain.modules())
    with torch.inference_mode():
        before = ecg.clone()
        assert torch.allclose(fused(ecg), plain(ecg), rtol=1e-4, atol=1e-5) and torch.equal(ecg, before)


def test_a_fused_block_writes_over_nothing_that_is_read_again():
    torch.manual_seed(0)
    fast = copy_for_inference(randomise(ResNet1D("resnet18", 8, classes=0)), "fp32")
    ecg = torch.randn(2, 12, 200)
    with torch.inference_mode():
        assert torch.equal(fast(ecg), fast(ecg))


@pytest.mark.parametrize(("encoder", "precision", "larger"), [("vit_tiny", "bf16", True), ("vit_tiny", "fp32", False),
                                                              ("resnet18", "bf16", False)])  # fmt: skip
def test_only_vits_in_bf16_take_larger_batches(encoder, precision, larger):
    method = METHODS.get("merl")(encoder=encoder, rate=50.0, text_model=None)
    assert (method.for_inference(precision).cpu_batch_samples > method.cpu_batch_samples) == larger


def test_shared_parts_are_not_copied():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.text, self.ecg = nn.Linear(2, 2), ResNet1D("resnet18", 8, classes=0)

    pair = Pair()
    clone = copy_for_inference(pair, "bf16", pair.text, None)
    assert clone.text is pair.text and clone.ecg is not pair.ecg and pair.text.weight.requires_grad
