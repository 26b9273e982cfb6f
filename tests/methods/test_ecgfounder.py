"""ECGFounder's network by its definition, files with the official names, and the input that its weights expect.

Compared once with a transcription of the official class (random weights, lengths 5,000, 4,999 and 1,250): features
equal to 2e-7.
"""

import numpy as np
import pytest
import torch
from scipy.signal import butter, filtfilt, iirnotch, medfilt

from benchmark.data.signals.signal import adapt
from benchmark.engine.building import build
from benchmark.errors import MissingError
from methods.nn.net1d import GatedBlock, Net1D, SameConv

SMALL = {"filters": (16, 32), "blocks": (1, 2)}


def convolve(x, conv, stride, groups):
    """``(channel, time)`` by the definition: zeros around it, so that there are ``ceil(time / stride)`` steps."""
    weight, bias = conv.weight.numpy(), conv.bias.numpy()
    outputs, per_group, kernel = weight.shape
    steps = -(-x.shape[1] // stride)
    before = max(0, (steps - 1) * stride + kernel - x.shape[1]) // 2
    found = np.zeros((outputs, steps))
    for o in range(outputs):
        start = o // (outputs // groups) * per_group
        for t in range(steps):
            for k in range(kernel):
                at = t * stride + k - before
                if 0 <= at < x.shape[1]:
                    found[o, t] += weight[o, :, k] @ x[start : start + per_group, at]
        found[o] += bias[o]
    return found


def silu(x):
    return x / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("inputs", "stride", "first", "time"), [(16, 2, True, 9), (16, 2, False, 8), (32, 1, False, 7)]
)
def test_a_block_by_its_definition(inputs, stride, first, time):
    torch.manual_seed(0)
    block, x = GatedBlock(inputs, 32, stride, first), torch.randn(1, inputs, time)
    with torch.no_grad():
        found = block(x)[0].numpy()
        x = x[0].numpy().astype(np.float64)
        y = convolve(x if first else silu(x), block.conv1.conv, 1, 1)
        y = convolve(silu(convolve(silu(y), block.conv2.conv, stride, 2)), block.conv3.conv, 1, 1)
        hidden = silu(block.se_fc1.weight.numpy() @ y.mean(1) + block.se_fc1.bias.numpy())
        y *= 1 / (1 + np.exp(-(block.se_fc2.weight.numpy() @ hidden + block.se_fc2.bias.numpy())))[:, None]
    if stride == 2:
        x = np.pad(x, ((0, 0), (0, time % 2))).reshape(inputs, -1, 2).max(-1)  # the odd last sample meets a zero
    y[(32 - inputs) // 2 : (32 + inputs) // 2] += x
    assert np.allclose(found, y, atol=1e-5)


def test_the_length_is_halved_and_rounded_up():
    assert [SameConv(1, 1, 16, 2)(torch.zeros(1, 1, n)).shape[-1] for n in (9, 10, 1)] == [5, 5, 1]
    assert Net1D()(torch.zeros(1, 12, 5000)).shape == (1, 1024, 20)


def official(method):
    """A state dict as the official class has it: norms that it skips, and an output layer."""
    state = {name.removeprefix("encoder."): value for name, value in method.state_dict().items()}
    state |= {f"first_bn.{part}": torch.ones(64) for part in ("weight", "bias", "running_mean", "running_var")}
    state |= {f"stage_list.1.block_list.0.bn{i}.weight": torch.ones(16) for i in (1, 2, 3)}
    return {**state, "dense.weight": torch.zeros(150, 32), "dense.bias": torch.zeros(150)}


def test_an_official_file_loads_with_what_its_training_left_beside_the_weights(tmp_path):
    method, path = build("ecgfounder", SMALL), tmp_path / "12_lead_ECGFounder.pth"
    state = official(method)
    assert {"first_conv.conv.weight", "stage_list.1.block_list.1.se_fc2.bias"} < state.keys()
    torch.save({"state_dict": state, "step": 10000, "val_auroc": np.float64(0.92)}, path)
    loaded, ecg = build("ecgfounder", SMALL, path, seed=1), torch.randn(2, 12, 5000)
    with torch.no_grad():
        assert torch.equal(loaded.ecg_features(ecg), method.ecg_features(ecg))
    del state["first_conv.conv.bias"]
    torch.save({"state_dict": state}, path)
    with pytest.raises(MissingError, match=r"encoder.first_conv.conv.bias is missing"):
        build("ecgfounder", SMALL, path)


def test_the_input_is_what_the_published_weights_learnt_from():
    """Notch, band-pass, minus a median over 0.4 s, one mean and deviation for the recording, as scipy does them."""
    ecg = np.random.default_rng(0).normal(size=(1, 12, 5000)).cumsum(-1).astype(np.float32) / 50
    found = adapt(ecg, 500, build("ecgfounder", SMALL).signal)[0]
    x = ecg[0].astype(np.float64)
    for b, a in (iirnotch(50, 30, 500), butter(4, (0.67, 40), "bandpass", fs=500)):
        x = filtfilt(b, a, x)
    x -= np.stack([medfilt(lead, 201) for lead in x])
    expected = (x - x.mean()) / x.std()
    inner = slice(500, -500)  # at the ends the two forms of one filter start from other states
    assert np.abs(found - expected)[:, inner].max() < 0.02 * np.abs(expected).max()
    plain = build("ecgfounder", {**SMALL, "filtered": False}).signal
    assert (plain.notch, plain.band_pass, plain.median_baseline) == (None, None, 0.0)
