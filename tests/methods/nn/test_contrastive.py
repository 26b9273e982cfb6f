import math

import pytest
import torch

from methods.nn.contrastive import clip_loss, cosine_similarity, retrieval_accuracy, sigmoid_loss


def test_loss_of_orthogonal_pairs_is_the_closed_form():
    x = 3 * torch.eye(4)
    assert clip_loss(x, x, 0.5).item() == pytest.approx(2 * math.log(1 + 3 * math.exp(-1 / 0.5)), rel=1e-6)


def test_loss_is_symmetric_scale_free_and_zero_for_one_pair():
    torch.manual_seed(0)
    x, y = torch.randn(6, 8), torch.randn(6, 8)
    assert clip_loss(x, y).item() == pytest.approx(clip_loss(y, x).item(), rel=1e-6)
    assert clip_loss(5 * x, y).item() == pytest.approx(clip_loss(x, y).item(), rel=1e-5)
    assert clip_loss(x[:1], y[:1]).item() == 0


def test_autocast_does_not_touch_the_logits():
    x, y = torch.randn(6, 8), torch.randn(6, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(cosine_similarity(x, y), cosine_similarity(x, y).float())
        inside = clip_loss(x, y)
    assert torch.equal(inside, clip_loss(x, y))


def test_accuracy_is_the_mean_of_both_directions():
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    y = torch.tensor([[1.0, 0.0], [1.0, 0.1]])  # both texts are nearest to the first recording
    assert retrieval_accuracy(x, x) == 100
    assert retrieval_accuracy(x, y) == pytest.approx(75)  # recordings find both, texts find one
    assert retrieval_accuracy(x, y, top=2) == 100


def test_sigmoid_loss_of_a_tiny_batch_is_the_closed_form():
    logits = torch.tensor([[2.0, -1.0, 0.0], [0.5, 3.0, -4.0]])
    positive = torch.tensor([[True, False, False], [True, True, False]])
    signed = [-2.0, -1.0, 0.0, -0.5, -3.0, -4.0]
    assert sigmoid_loss(logits, positive).item() == pytest.approx(sum(math.log1p(math.exp(v)) for v in signed) / 2)
    assert sigmoid_loss(torch.zeros(1, 1), torch.tensor([[True]])).item() == pytest.approx(math.log(2))
