"""The convolution by spectra equals the sliding one: values, gradients, precisions."""

import pytest
import torch
import torch.nn.functional as F

from methods.nn.token_selection import select_tokens
from methods.nn.wav2vec import Wav2Vec, grouped_convolution

CASES = [(312, 16, 4, 128, 64), (62, 8, 2, 32, 16), (5, 6, 3, 9, 4), (7, 4, 1, 4, 0), (40, 4, 4, 1, 0)]


@pytest.mark.parametrize(("time", "channels", "groups", "taps", "padding"), CASES)
def test_convolution_by_spectra_is_a_convolution(time, channels, groups, taps, padding):
    torch.manual_seed(0)
    x = torch.randn(3, channels, time, requires_grad=True)
    weight = torch.randn(channels, channels // groups, taps, requires_grad=True)
    sliding = F.conv1d(x, weight, padding=padding, groups=groups)
    spectral = grouped_convolution(x, weight, padding, groups)
    torch.testing.assert_close(spectral, sliding, rtol=1e-5, atol=1e-4)
    direction = torch.randn_like(sliding)
    for gradient, expected in zip(
        torch.autograd.grad(spectral, (x, weight), direction),
        torch.autograd.grad(sliding, (x, weight), direction),
        strict=True,
    ):
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-3)


def test_bf16_goes_through_float32_and_float64_stays():
    torch.manual_seed(0)
    x, weight = torch.randn(2, 4, 20), torch.randn(4, 2, 8)
    exact = F.conv1d(x.double(), weight.double(), padding=4, groups=2)
    torch.testing.assert_close(grouped_convolution(x.double(), weight.double(), 4, 2), exact)
    coarse = x.bfloat16()
    output = grouped_convolution(coarse, weight, 4, 2)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, F.conv1d(coarse.float(), weight, padding=4, groups=2), rtol=1e-5, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(grouped_convolution(x, weight, 4, 2), exact.float(), rtol=1e-5, atol=1e-4)


def test_embedding_visible_patches_alone_equals_selecting_them():
    torch.manual_seed(0)
    encoder = Wav2Vec(8, 1, 2, 4, 2, 4, 2, leads=3, dropout=0.0)
    ecg, visible = torch.randn(2, 3, 40), torch.tensor([[7, 0, 3], [1, 9, 2]])
    torch.testing.assert_close(encoder.embed(ecg, visible), select_tokens(encoder.embed(ecg), visible))
