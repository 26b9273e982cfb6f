"""Patches, their order, and a decoder that puts tokens back where they came from."""

import pytest
import torch

from methods.nn.cgdmer.lead_patches import (
    JointDecoder,
    LeadPatchEncoder,
    order_visible_first,
    patchify,
    select_tokens,
    standardise_patches,
)
from methods.nn.cgdmer.transformer import Block, masked_mean


def test_patches_lie_lead_by_lead():
    ecg = torch.arange(2 * 3 * 11).float().view(2, 3, 11)
    patches = patchify(ecg, 5)  # the eleventh sample is no whole patch
    assert patches.shape == (2, 3, 2, 5) and torch.equal(patches[1, 2, 1], ecg[1, 2, 5:10])
    flat = standardise_patches(torch.cat([patches, torch.ones(2, 3, 1, 5)], dim=2))
    assert torch.allclose(flat[:, :, :2].var(-1, correction=0), torch.ones(2, 3, 2)) and not flat[:, :, 2].any()


def test_visible_tokens_come_first_and_find_back():
    torch.manual_seed(0)
    visible = torch.rand(4, 3, 5).argsort(-1) < 2
    order, shown = order_visible_first(visible)
    assert shown == 6 and visible.flatten(1).gather(1, order)[:, :shown].all()
    tokens = torch.randn(4, 15, 8)
    assert torch.equal(select_tokens(select_tokens(tokens, order), order.argsort(1)), tokens)
    visible[0, 0] = True
    with pytest.raises(ValueError, match="equally many"):
        order_visible_first(visible)


def test_the_encoder_sees_visible_patches_only_and_the_decoder_knows_their_places():
    torch.manual_seed(0)
    encoder, decoder = LeadPatchEncoder(3, 5, 4, 16, 1, 2), JointDecoder(16, 3, 5, 4, 16, 1, 2)
    ecg, visible = torch.randn(2, 3, 20), torch.rand(2, 3, 5).argsort(-1) < 2
    order, shown = order_visible_first(visible)
    changed = torch.where(visible.repeat_interleave(4, -1), ecg, 99.0)
    kept = order[:, :shown]
    assert torch.equal(encoder(ecg, kept), encoder(changed, kept))
    everything = torch.arange(15).expand(2, -1)
    torch.testing.assert_close(encoder(ecg, everything), encoder(ecg))
    # the order in which visible tokens are listed is of no consequence
    turned = torch.cat([kept.flip(1), order[:, shown:]], dim=1)
    first, second = decoder(encoder(ecg, kept), order), decoder(encoder(ecg, kept.flip(1)), turned)
    assert first.shape == (2, 15, 4)
    torch.testing.assert_close(first, second)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    block, x = Block(16, 2), torch.randn(2, 5, 16)
    padded = torch.cat([x, torch.full((2, 3, 16), 7.0)], dim=1)
    mask = torch.arange(8).expand(2, -1) < 5
    torch.testing.assert_close(block(padded, mask)[:, :5], block(x))
    torch.testing.assert_close(masked_mean(padded, mask), x.mean(1))
