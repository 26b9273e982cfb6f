"""Contrastive losses against their closed forms and brute force."""

import math

import pytest
import torch
import torch.nn.functional as F

from benchmark.api import report_key
from methods.nn.contrastive import (
    clip_loss,
    cosine_similarity,
    equal_texts,
    retrieval_accuracy,
    siglip_loss,
    sigmoid_loss,
)


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
    assert retrieval_accuracy(x, y) == pytest.approx(75)  # both recordings find their text, one text its recording
    assert retrieval_accuracy(x, y, top=2) == 100


def brute_force(x, y, scale, bias):
    """Compute the sigmoid loss pair by pair."""
    total = 0.0
    for i, row in enumerate(x):
        for j, column in enumerate(y):
            cosine = torch.dot(row, column) / row.norm() / column.norm()
            total -= F.logsigmoid((1 if i == j else -1) * (scale * cosine + bias)).item()
    return total / len(x)


def test_the_sigmoid_loss_is_the_sum_over_pairs_and_symmetric():
    torch.manual_seed(0)
    x, y, scale, bias = torch.randn(5, 8), torch.randn(5, 8), torch.tensor(10.0), torch.tensor(-10.0)
    assert siglip_loss(x, y, scale, bias).item() == pytest.approx(brute_force(x, y, scale, bias), rel=1e-5)
    assert siglip_loss(x, y, scale, bias).item() == pytest.approx(siglip_loss(y, x, scale, bias).item(), rel=1e-6)
    # orthonormal rows: n terms of log(1 + e^-(s + b)) and n (n - 1) of log(1 + e^b), over n
    eye = torch.eye(4)
    expected = math.log1p(math.exp(-(3 - 1))) + 3 * math.log1p(math.exp(-1))
    assert siglip_loss(eye, eye, torch.tensor(3.0), torch.tensor(-1.0)).item() == pytest.approx(expected, rel=1e-6)


def test_equal_reports_are_positives_or_left_out():
    torch.manual_seed(0)
    reports = ["Sinus  rhythm", "AV block", "sinus rhythm"]
    same = equal_texts([report_key(report) for report in reports], torch.device("cpu"))
    assert same.int().tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    x, y, scale, bias = torch.randn(3, 8), torch.randn(3, 8), torch.tensor(10.0), torch.tensor(-1.0)
    logits = scale * cosine_similarity(x, y) + bias
    as_positive, as_negative = -F.logsigmoid(logits[[0, 2], [2, 0]]), -F.logsigmoid(-logits[[0, 2], [2, 0]])
    plain = siglip_loss(x, y, scale, bias).item()
    expected = plain + (as_positive - as_negative).sum().item() / 3
    assert siglip_loss(x, y, scale, bias, same).item() == pytest.approx(expected, rel=1e-5)
    without = plain - as_negative.sum().item() / 3
    mask = torch.eye(3, dtype=torch.bool) | ~same
    assert siglip_loss(x, y, scale, bias, mask=mask).item() == pytest.approx(without, rel=1e-5)


def test_several_positives_share_the_target():
    torch.manual_seed(0)
    x, y = torch.randn(4, 8), torch.randn(4, 8)
    assert clip_loss(x, y, positive=torch.eye(4, dtype=torch.bool)).item() == pytest.approx(clip_loss(x, y).item())
    # all alike: the cross-entropy with an even target
    logits = cosine_similarity(x, y) / 0.07
    expected = -(logits.log_softmax(1).mean() + logits.log_softmax(0).mean()).item()
    assert clip_loss(x, y, positive=torch.ones(4, 4, dtype=torch.bool)).item() == pytest.approx(expected, rel=1e-5)


def test_sigmoid_loss_of_a_tiny_batch_is_the_closed_form():
    logits = torch.tensor([[2.0, -1.0, 0.0], [0.5, 3.0, -4.0]])
    positive = torch.tensor([[True, False, False], [True, True, False]])
    signed = [-2.0, -1.0, 0.0, -0.5, -3.0, -4.0]
    assert sigmoid_loss(logits, positive).item() == pytest.approx(sum(math.log1p(math.exp(v)) for v in signed) / 2)
    assert sigmoid_loss(torch.zeros(1, 1), torch.tensor([[True]])).item() == pytest.approx(math.log(2))
