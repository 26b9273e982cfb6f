"""DERI's decoder: padding, stochastic depth, and the number of tokens it accepts."""

import pytest
import torch

from methods.nn.deri.token_decoder import DropPath, TokenDecoder


def test_a_decoder_ignores_padding_and_drops_paths_in_training_only():
    torch.manual_seed(0)
    decoder = TokenDecoder(6, 16, 8, heads=1).eval()
    tokens, mask = torch.randn(2, 5, 16), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    other = torch.where(mask.unsqueeze(-1), tokens, torch.randn(2, 5, 16))
    torch.testing.assert_close(decoder(tokens, mask)[mask], decoder(other, mask)[mask])
    torch.testing.assert_close(decoder(tokens, mask)[0], decoder(tokens)[0])
    assert not torch.allclose(decoder(tokens, mask)[1, :3], decoder(tokens)[1, :3], atol=1e-3)
    with pytest.raises(ValueError, match="6 tokens and was given 7"):
        decoder(torch.zeros(1, 7, 16))
    drop_path, ones = DropPath(0.5), torch.ones(4000, 2)
    assert torch.equal(drop_path.eval()(ones), ones)
    output = drop_path.train()(ones)
    assert set(output.flatten().tolist()) == {0.0, 2.0} and output.mean().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(output[:, 0], output[:, 1])
