"""ViT-1D: official sizes, positions, and no effect of the batch."""

import pytest
import torch

from methods.nn.vit1d import WIDTHS, ViT1D


@pytest.mark.parametrize(
    ("name", "parameters"), [("vit_tiny", 5_473_152), ("vit_small", 21.56e6), ("vit_middle", 38.19e6)]
)
def test_official_sizes(name, parameters):
    with torch.device("meta"):
        net = ViT1D(5000, WIDTHS[name])
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(parameters, rel=1e-3)


def test_positions_follow_the_length_and_order_matters():
    torch.manual_seed(0)
    net = ViT1D(1000, width=64, depth=2).eval()
    assert net.pos_embedding.shape == (1, 20, 64)
    ecg = torch.randn(2, 12, 1000)
    swapped = torch.cat([ecg[..., 500:], ecg[..., :500]], dim=-1)
    assert not torch.allclose(net(ecg), net(swapped), atol=1e-3)


def test_batch_size_does_not_matter():
    net, ecg = ViT1D(500, width=64, depth=2).eval(), torch.randn(4, 12, 500)
    with torch.no_grad():
        torch.testing.assert_close(net(ecg), torch.cat([net(one) for one in ecg.split(1)]), rtol=1e-4, atol=1e-5)


def test_another_length_is_a_clear_error():
    with pytest.raises(ValueError, match="built for 500 samples and was given 400"):
        ViT1D(500, width=64, depth=1)(torch.zeros(1, 12, 400))
