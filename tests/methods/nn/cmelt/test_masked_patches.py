"""Masked patches: how many are hidden, what the decoder has to reconstruct, and what the loss counts."""

import pytest
import torch

from methods.nn.cmelt.masked_patches import (
    PatchDecoder,
    VisiblePatches,
    draw_visible_patches,
    patch_targets,
    reconstruction_loss,
)


@pytest.mark.parametrize("patches, ratio, count", [(312, 0.75, 78), (62, 0.75, 15), (62, 0.0, 62), (3, 0.9, 1)])
def test_each_recording_keeps_patches_of_its_own(patches, ratio, count):
    torch.manual_seed(0)
    visible = draw_visible_patches(4, patches, ratio)
    assert visible.order.shape == (4, count) and (visible.hidden.sum(1) == patches - count).all()
    for order, hidden in zip(visible.order, visible.hidden, strict=True):
        assert not hidden[order].any() and len(order.unique()) == count
    x = torch.arange(4 * patches).view(4, patches, 1)
    assert torch.equal(visible.select(x), x[torch.arange(4)[:, None], visible.order])


def test_nothing_hidden_costs_nothing_and_gives_no_nan():
    prediction = torch.randn(2, 3, 4, 5, requires_grad=True)
    loss = reconstruction_loss(prediction, torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and not prediction.grad.any()


def test_targets_are_standard_leads_cut_into_patches():
    ecg = torch.arange(2 * 3 * 9.0).view(2, 3, 9) ** 2
    target = patch_targets(ecg, 2, 4)
    assert target.shape == (2, 2, 3, 4)
    whole = target.transpose(1, 2).flatten(2)  # (batch, lead, sample)
    torch.testing.assert_close(whole.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.var(-1), torch.ones(2, 3), atol=1e-4, rtol=0)
    assert not patch_targets(torch.zeros(1, 1, 8), 2, 4).any()  # a silent lead asks for draw_time_out


def test_only_hidden_patches_count():
    target, prediction = torch.zeros(1, 3, 2, 4), torch.ones(1, 3, 2, 4)
    prediction[0, 1] = 100.0
    hidden = torch.tensor([[True, False, True]])
    assert reconstruction_loss(prediction, target, hidden).item() == 1.0


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
    shuffled = decoder(torch.cat([first, all_visible.select(states)], 1), all_visible)
    torch.testing.assert_close(shuffled, decoder(torch.cat([first, states], 1), whole))
