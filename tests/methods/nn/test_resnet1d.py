"""ResNet-1D, which computes 1-D convolutions as 2-D ones, against plain conv1d."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from methods.nn.resnet1d import DEPTHS, ResNet1D, count_steps

ROOT = Path(__file__).resolve().parents[3]


def reference(net, x):
    """Compute the same network with `F.conv1d` on ``(batch, channel, time)`` and nothing in place."""

    def conv(layer, x):
        return F.conv1d(x, layer.weight, None, layer.stride, layer.padding)

    x = F.relu(net.bn1(conv(net.conv1, x)))
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in stage:
            y = block.bn2(conv(block.conv2, F.relu(block.bn1(conv(block.conv1, x)))))
            x = F.relu(y + (block.shortcut[1](conv(block.shortcut[0], x)) if len(block.shortcut) else x))
    return x


@pytest.mark.parametrize("training", [True, False])
def test_equals_plain_conv1d_in_values_and_gradients(training):
    torch.manual_seed(0)
    net = ResNet1D(width=8, classes=0).double().train(training)
    ecg = torch.randn(3, 12, 203, dtype=torch.float64)
    output, expected = net(ecg), reference(net, ecg)
    torch.testing.assert_close(output, expected)
    weight = torch.randn_like(expected)
    gradients = [torch.autograd.grad((out * weight).sum(), list(net.parameters())) for out in (output, expected)]
    for (name, _), gradient, plain in zip(net.named_parameters(), *gradients, strict=True):
        torch.testing.assert_close(gradient, plain, msg=name)


@pytest.mark.parametrize("encoder", DEPTHS)
@pytest.mark.parametrize("samples", [1000, 203, 17, 16])
def test_shape_follows_width_and_length(encoder, samples):
    net = ResNet1D(encoder, width=8, leads=3).eval()
    assert net(torch.randn(2, 3, samples)).shape == (2, 64, count_steps(samples))


def test_official_sizes():
    assert count_steps(5000) == 313
    assert sum(p.numel() for p in ResNet1D("resnet18").parameters()) == 3_853_962
    assert sum(p.numel() for p in ResNet1D("resnet34").parameters()) == 7_228_298


def test_batch_size_does_not_matter_in_eval_mode():
    net = ResNet1D(width=8).eval()
    ecg = torch.randn(5, 12, 500)
    with torch.no_grad():
        torch.testing.assert_close(net(ecg), torch.cat([net(one) for one in ecg.split(1)]), rtol=1e-4, atol=1e-5)


def test_the_input_is_left_alone():
    net, ecg = ResNet1D(width=8), torch.randn(2, 12, 100)
    before = ecg.clone()
    net(ecg).sum().backward()
    assert torch.equal(ecg, before)


def test_the_narrowest_network_trains_on_whole_recordings():
    """In a process of its own: with AVX-512 this was a segmentation fault."""
    code = "import torch; from methods.nn.resnet1d import ResNet1D; "
    code += "ResNet1D(width=8)(torch.randn(8, 12, 5000)).sum().backward()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
