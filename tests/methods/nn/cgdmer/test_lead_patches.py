"""Patches, their order, and a decoder that puts tokens back in their places."""

import pytest
import torch

from methods.nn.cgdmer.lead_patches import (
    JointDecoder,
    LeadPatchEncoder,
    order_visible_first,
    patchify,
    standardise_patches,
)
from methods.nn.cgdmer.transformer import Block, masked_mean
from methods.nn.token_selection import select_tokens


def test_patches_lie_lead_by_lead():
    ecg = torch.arange(2 * 3 * 11).float().view(2, 3, 11)
    patches = patchify(ecg, 5)  # the eleventh sample is dropped
    assert patches.shape == (2, 3, 2, 5) and torch.equal(patches[1, 2, 1], ecg[1, 2, 5:10])
    flat = standardise_patches(torch.cat([patches, torch.ones(2, 3, 1, 5)], dim=2))
    assert torch.allclose(flat[:, :, :2].var(-1, correction=0), torch.ones(2, 3, 2)) and not flat[:, :, 2].any()


def test_visible_tokens_come_first_and_find_back():
    torch.manual_seed(0)
    visible = torch.rand(4, 3, 5).argsort(-1) < 2
    order, count = order_visible_first(visible)
    assert count == 6 and visible.flatten(1).gather(1, order)[:, :count].all()
    tokens = torch.randn(4, 15, 8)
    assert torch.equal(select_tokens(select_tokens(tokens, order), order.argsort(1)), tokens)
    visible[0, 0] = True
    with pytest.raises(ValueError, match="equally many"):
        order_visible_first(visible)


def test_the_encoder_sees_visible_patches_only_and_the_decoder_knows_their_places():
    torch.manual_seed(0)
    encoder, decoder = LeadPatchEncoder(3, 5, 4, 16, 1, 2), JointDecoder(16, 3, 5, 4, 16, 1, 2)
    ecg, visible = torch.randn(2, 3, 20), torch.rand(2, 3, 5).argsort(-1) < 2
    order, count = order_visible_first(visible)
    other_ecg = torch.where(visible.repeat_interleave(4, -1), ecg, 99.0)
    visible_first = order[:, :count]
    assert torch.equal(encoder(ecg, visible_first), encoder(other_ecg, visible_first))
    all_positions = torch.arange(15).expand(2, -1)
    torch.testing.assert_close(encoder(ecg, all_positions), encoder(ecg))
    # the order of the visible tokens does not matter
    other_order = torch.cat([visible_first.flip(1), order[:, count:]], dim=1)
    first = decoder(encoder(ecg, visible_first), order)
    second = decoder(encoder(ecg, visible_first.flip(1)), other_order)
    assert first.shape == (2, 9, 4)
    torch.testing.assert_close(first, second)


def test_the_decoder_has_the_values_and_gradients_of_whole_blocks_over_tokens_in_place():
    torch.manual_seed(0)
    decoder = JointDecoder(8, 3, 5, 4, 16, 2, 2).double()
    order, count = order_visible_first(torch.rand(2, 3, 5).argsort(-1) < 2)
    tokens = torch.randn(2, count, 8, dtype=torch.double, requires_grad=True)
    x = decoder.gap.repeat(2, 15, 1)
    for row in range(2):
        x[row, order[row, :count]] = decoder.embedding(tokens[row])
    x = x + decoder.positions()
    for block in decoder.blocks:
        x = block(x)
    expected = select_tokens(decoder.head(decoder.norm(x)), order[:, count:])
    output = decoder(tokens, order)
    torch.testing.assert_close(output, expected)
    inputs, direction = [tokens, *decoder.parameters()], torch.randn_like(expected)
    for gradient, reference in zip(
        torch.autograd.grad(output, inputs, direction), torch.autograd.grad(expected, inputs, direction), strict=True
    ):
        torch.testing.assert_close(gradient, reference)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    block, x = Block(16, 2), torch.randn(2, 5, 16)
    padded = torch.cat([x, torch.full((2, 3, 16), 7.0)], dim=1)
    mask = torch.arange(8).expand(2, -1) < 5
    torch.testing.assert_close(block(padded, mask)[:, :5], block(x))
    torch.testing.assert_close(masked_mean(padded, mask), x.mean(1))
