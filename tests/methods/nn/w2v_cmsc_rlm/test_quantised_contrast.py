"""Parts of wav2vec 2.0: spans, the quantiser, the contrast between tokens of one recording."""

import math

import pytest
import torch

from methods.nn.w2v_cmsc_rlm.quantised_contrast import Quantiser, ScaleGradient, contrastive_loss, mask_spans


def test_spans_hide_the_same_number_in_each_row():
    torch.manual_seed(0)
    hidden = mask_spans(16, 62, 0.65, 10)
    counts = hidden.sum(1)
    assert (counts == counts[0]).all() and 20 <= counts[0] <= 45
    assert len({tuple(row) for row in hidden.tolist()}) == 16
    changes = hidden.int().diff(dim=1).abs().sum(1).float().mean()
    assert changes < 20  # spans, not single tokens: 40 hidden ones at random would change about 30 times
    assert mask_spans(2, 5, 0.65, 10).sum(1).tolist() == [5, 5]  # shorter than a span: all of it


def test_codes_are_rows_of_the_books_and_learn():
    torch.manual_seed(0)
    quantiser = Quantiser(8, 6, entries=5, groups=2)
    x = torch.randn(3, 4, 8, requires_grad=True)
    codes = quantiser.eval()(x, 1.0).codes
    first_book = {tuple(row) for row in quantiser.vars[0, :5].tolist()}
    assert codes.shape == (3, 4, 6) and all(tuple(row) in first_book for row in codes[..., :3].flatten(0, 1).tolist())
    output = quantiser.train()(x, 1.0)
    (output.codes.sum() + output.perplexity).backward()
    assert quantiser.vars.grad.any() and quantiser.weight_proj.weight.grad.any() and x.grad.any()
    assert 2 <= output.perplexity.item() <= 10


def test_contrast_prefers_the_right_token_and_ignores_equal_codes():
    torch.manual_seed(0)
    targets = torch.randn(2, 12, 6)
    assert contrastive_loss(targets, targets, 20, 0.1) < 0.2 < contrastive_loss(targets.roll(1, 1), targets, 20, 0.1)
    same = targets[:, :1].expand(-1, 12, -1)
    assert contrastive_loss(torch.randn(2, 12, 6), same, 20, 0.1).item() == pytest.approx(0, abs=1e-6)
    chance = contrastive_loss(torch.zeros(2, 12, 6), targets, 20, 0.1)
    assert chance.item() == pytest.approx(math.log(21), rel=1e-5)


def test_a_scaled_gradient():
    x = torch.ones(3, requires_grad=True)
    y = ScaleGradient.apply(x, 0.1)
    y.sum().backward()
    assert torch.equal(y, x) and x.grad.tolist() == pytest.approx([0.1] * 3)
