"""Masked patches: how many are hidden, what the decoder has to reconstruct, and what the loss counts."""

import pytest
import torch
import torch.nn.functional as F

from methods.nn.cmelt.masked_patches import (
    PatchDecoder,
    VisiblePatches,
    draw_visible_patches,
    patch_targets,
    reconstruction_loss,
)
from methods.nn.token_selection import select_tokens


@pytest.mark.parametrize("patches, ratio, count", [(312, 0.75, 78), (62, 0.75, 15), (62, 0.0, 62), (3, 0.9, 1)])
def test_each_recording_keeps_patches_of_its_own(patches, ratio, count):
    torch.manual_seed(0)
    visible = draw_visible_patches(4, patches, ratio)
    assert visible.order.shape == (4, count) and (visible.hidden.sum(1) == patches - count).all()
    for order, hidden in zip(visible.order, visible.hidden, strict=True):
        assert not hidden[order].any() and len(order.unique()) == count
    order = torch.cat([visible.order, visible.hidden_order], 1)
    assert torch.equal(order, visible.restore.argsort(1)) and visible.hidden.gather(1, order)[:, count:].all()


def test_nothing_hidden_costs_nothing_and_gives_no_nan():
    decoder = PatchDecoder(inputs=8, width=8, depth=1, heads=1, patches=3, patch=5, leads=4)
    visible = draw_visible_patches(2, 3, 0.0)
    loss = reconstruction_loss(decoder.predict_hidden(torch.randn(2, 4, 8), visible), torch.zeros(2, 3, 4, 5), visible)
    loss.backward()
    assert loss.item() == 0
    assert not any(weight.grad.any() for weight in decoder.parameters() if weight.grad is not None)


def test_targets_are_standard_leads_cut_into_patches():
    ecg = torch.arange(2 * 3 * 9.0).view(2, 3, 9) ** 2
    target = patch_targets(ecg, 2, 4)
    assert target.shape == (2, 2, 3, 4)
    whole = target.transpose(1, 2).flatten(2)  # (batch, lead, sample)
    torch.testing.assert_close(whole.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.var(-1), torch.ones(2, 3), atol=1e-4, rtol=0)
    assert not patch_targets(torch.zeros(1, 1, 8), 2, 4).any()  # a silent lead asks for draw_time_out


def test_only_hidden_patches_count():
    target, prediction = torch.zeros(1, 3, 2, 4), torch.ones(1, 2, 2, 4)
    target[0, 1] = 100.0
    visible = VisiblePatches(torch.tensor([[1]]), torch.tensor([[1, 0, 2]]))
    assert visible.hidden.tolist() == [[True, False, True]]
    assert reconstruction_loss(prediction, target, visible).item() == 1.0


def test_the_decoder_puts_patches_back_where_they_were():
    torch.manual_seed(0)
    decoder = PatchDecoder(inputs=8, width=8, depth=0, heads=1, patches=5, patch=4, leads=2)
    visible = draw_visible_patches(3, 5, 0.5)
    assert decoder(torch.randn(3, 3, 8), visible).shape == (3, 5, 2, 4)
    states = torch.randn(3, 5, 8)
    order = torch.randperm(5).expand(3, 5)
    all_visible = VisiblePatches(order, order.argsort(1))
    whole = VisiblePatches(torch.arange(5).expand(3, 5), torch.arange(5).expand(3, 5))
    first = torch.zeros(3, 1, 8)
    shuffled = decoder(torch.cat([first, select_tokens(states, order)], 1), all_visible)
    torch.testing.assert_close(shuffled, decoder(torch.cat([first, states], 1), whole))


def reconstruct_in_place(decoder, states, visible):
    """Compute all patches as published: every token in its place, through whole blocks with QuickGELU."""
    x = decoder.decoder_embed(states)
    patches = decoder.mask_token.repeat(len(x), visible.restore.shape[1], 1)
    for row, order in enumerate(visible.order):
        patches[row, order] = x[row, 1:]
    x = torch.cat([x[:, :1], patches], 1)
    x = x + decoder.decoder_pos_embed.pe[:, : x.shape[1]]
    for block in decoder.decoder.resblocks:
        normed = block.ln_1(x)
        x = x + block.attn(normed, normed, normed, need_weights=False)[0]
        hidden = block.mlp["c_fc"](block.ln_2(x))
        x = x + block.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden))
    return decoder.decoder_pred(decoder.decoder_norm(x))[:, 1:].unflatten(-1, decoder.shape)


def test_hidden_patches_alone_have_the_loss_and_gradients_of_the_published_computation():
    torch.manual_seed(0)
    decoder = PatchDecoder(inputs=6, width=8, depth=2, heads=2, patches=7, patch=3, leads=2).double()
    visible, target = draw_visible_patches(3, 7, 0.6), torch.randn(3, 7, 2, 3, dtype=torch.double)
    states = torch.randn(3, 3, 6, dtype=torch.double, requires_grad=True)
    whole = reconstruct_in_place(decoder, states, visible)
    torch.testing.assert_close(decoder(states, visible), whole)
    expected = F.mse_loss(whole[visible.hidden], target[visible.hidden])
    loss = reconstruction_loss(decoder.predict_hidden(states, visible).double(), target, visible)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    inputs = [states, *decoder.parameters()]
    for gradient, reference in zip(
        torch.autograd.grad(loss, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(gradient, reference, rtol=1e-5, atol=1e-7)
