"""Masks, positions and the loss of spatio-temporal masked modelling."""

import pytest
import torch

from methods.nn.st_mem.masked_vit import LeadwiseDecoder, SpatioTemporalViT, reconstruction_loss, time_positions


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return SpatioTemporalViT(samples=200, patch=20, leads=3, width=64, depth=1)


def test_every_lead_hides_the_same_number_at_its_own_places(encoder):
    masked = encoder.encode_visible(torch.randn(4, 3, 200), 0.75)
    assert masked.tokens.shape == (4, 3, 2 + 2, 64)
    assert (masked.hidden.sum(-1) == 8).all()
    assert len({tuple(row) for row in masked.hidden.flatten(0, 1).tolist()}) > 6
    assert (masked.order.sort(-1).values == torch.arange(10)).all()


def test_hidden_patches_do_not_reach_the_encoder(encoder):
    ecg = torch.randn(2, 3, 200)
    torch.manual_seed(7)
    masked = encoder.encode_visible(ecg, 0.75)
    other = torch.where(masked.hidden.bool().repeat_interleave(20, -1), torch.randn(2, 3, 200), ecg)
    torch.manual_seed(7)
    assert torch.equal(encoder.encode_visible(other, 0.75).tokens, masked.tokens)


def test_the_decoder_puts_visible_tokens_where_they_were(encoder):
    """Without blocks, a visible position has its own token and a hidden one the mask embedding."""
    decoder = LeadwiseDecoder(64, 10, 20, 64, depth=0)
    masked = encoder.encode_visible(torch.randn(2, 3, 200), 0.75)
    with torch.no_grad():
        decoder.decoder_pos_embed.zero_()
        output = decoder(masked)
        visible_tokens = decoder.to_decoder_embedding(masked.tokens[:, :, 1:-1])
        visible_output = decoder.decoder_head(decoder.decoder_norm(visible_tokens))
        gap_output = decoder.decoder_head(decoder.decoder_norm(decoder.mask_embedding[0, 0]))
    assert output.shape == (2, 3, 10, 20)
    hidden = masked.hidden.bool()
    torch.testing.assert_close(output[hidden], gap_output.expand(int(hidden.sum()), -1))
    for row in range(2):
        for lead in range(3):
            positions = masked.order[row, lead].argsort()[:2]  # of the visible patches, in their order
            torch.testing.assert_close(output[row, lead, positions], visible_output[row, lead])


def test_only_hidden_patches_count():
    patches, predicted = torch.zeros(1, 1, 4, 5), torch.ones(1, 1, 4, 5)
    predicted[0, 0, 1] = 3
    hidden = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
    assert reconstruction_loss(predicted, patches, hidden, standardise=False).item() == pytest.approx(1)
    scaled = torch.randn(1, 1, 4, 5)
    assert reconstruction_loss(scaled, scaled, hidden).item() > 0.01
    mean, spread = scaled.mean(-1, keepdim=True), (scaled.var(-1, keepdim=True) + 1e-6).sqrt()
    assert reconstruction_loss((scaled - mean) / spread, scaled, hidden).item() == pytest.approx(0, abs=1e-10)


def test_positions_and_sizes(encoder):
    table = time_positions(10, 64)[0]
    assert (table[0] == 0).all() and (table[-1] == 0).all()
    assert table[1, 0] == 0 and table[1, 32] == 1 and table[3, 0] == pytest.approx(torch.sin(torch.tensor(2.0)).item())
    assert encoder(torch.randn(2, 3, 200)).shape == (2, 3, 10, 64)
    with pytest.raises(ValueError, match="no whole number of patches"):
        SpatioTemporalViT(samples=210, patch=20, leads=3, width=64, depth=1)
    with pytest.raises(ValueError, match="no multiple of 64"):
        SpatioTemporalViT(samples=200, patch=20, leads=3, width=100, depth=1)
