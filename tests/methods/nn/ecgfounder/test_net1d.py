"""Net1D's blocks against their definition written out.

Compared once with a transcription of the official class (random weights, lengths 5,000, 4,999 and 1,250): features
equal to 2e-7.
"""

import numpy as np
import pytest
import torch

from methods.nn.ecgfounder.net1d import GatedBlock, Net1D, SameConv


def convolve(x, conv, stride, groups):
    """Convolve ``(channel, time)`` by the definition, padded to ``ceil(time / stride)`` output steps."""
    weight, bias = conv.weight.numpy(), conv.bias.numpy()
    outputs, per_group, kernel = weight.shape
    steps = -(-x.shape[1] // stride)
    before = max(0, (steps - 1) * stride + kernel - x.shape[1]) // 2
    output = np.zeros((outputs, steps))
    for o in range(outputs):
        start = o // (outputs // groups) * per_group
        for t in range(steps):
            for k in range(kernel):
                at = t * stride + k - before
                if 0 <= at < x.shape[1]:
                    output[o, t] += weight[o, :, k] @ x[start : start + per_group, at]
        output[o] += bias[o]
    return output


def silu(x):
    return x / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("inputs", "stride", "first", "time"), [(16, 2, True, 9), (16, 2, False, 8), (32, 1, False, 7)]
)
def test_a_block_by_its_definition(inputs, stride, first, time):
    torch.manual_seed(0)
    block, x = GatedBlock(inputs, 32, stride, first), torch.randn(1, inputs, time)
    with torch.no_grad():
        output = block(x)[0].numpy()
        x = x[0].numpy().astype(np.float64)
        y = convolve(x if first else silu(x), block.conv1.conv, 1, 1)
        y = convolve(silu(convolve(silu(y), block.conv2.conv, stride, 2)), block.conv3.conv, 1, 1)
        hidden = silu(block.se_fc1.weight.numpy() @ y.mean(1) + block.se_fc1.bias.numpy())
        y *= 1 / (1 + np.exp(-(block.se_fc2.weight.numpy() @ hidden + block.se_fc2.bias.numpy())))[:, None]
    if stride == 2:
        x = np.pad(x, ((0, 0), (0, time % 2))).reshape(inputs, -1, 2).max(-1)  # the odd last sample meets a zero
    y[(32 - inputs) // 2 : (32 + inputs) // 2] += x
    assert np.allclose(output, y, atol=1e-5)


def test_the_length_is_halved_and_rounded_up():
    assert [SameConv(1, 1, 16, 2)(torch.zeros(1, 1, n)).shape[-1] for n in (9, 10, 1)] == [5, 5, 1]
    assert Net1D()(torch.zeros(1, 12, 5000)).shape == (1, 1024, 20)
