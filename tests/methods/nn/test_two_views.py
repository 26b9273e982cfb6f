"""Losses of two views against their definitions written out."""

import math

import pytest
import torch
import torch.nn.functional as F

from methods.nn.two_views import barlow_twins_loss, byol_loss, moco_loss, nt_xent_loss


def pair(n=5, dim=7):
    draw = torch.Generator().manual_seed(0)
    return torch.randn(n, dim, generator=draw), torch.randn(n, dim, generator=draw)


def test_nt_xent_is_simclr_s_formula():
    first, second = pair()
    z = F.normalize(torch.cat([first, second]), dim=-1)
    total = 0.0
    for i in range(10):
        j = (i + 5) % 10
        others = sum(math.exp(float(z[i] @ z[k]) / 0.5) for k in range(10) if k != i)
        total -= math.log(math.exp(float(z[i] @ z[j]) / 0.5) / others)
    assert nt_xent_loss(first, second, 0.5).item() == pytest.approx(total / 10, rel=1e-5)


def test_regression_is_the_squared_distance_of_unit_vectors_and_stops_the_gradient():
    first, second = (x.requires_grad_() for x in pair())
    loss = byol_loss(first, second)
    distance = (F.normalize(first, dim=-1) - F.normalize(second, dim=-1)).square().sum(-1).mean()
    assert loss.item() == pytest.approx(distance.item(), rel=1e-5)
    loss.backward()
    assert first.grad is not None and second.grad is None


def test_redundancy_is_zero_for_equal_and_independent_coordinates():
    codes = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert barlow_twins_loss(codes, codes, 1.0).item() == pytest.approx(0)
    same = codes[:, [0, 0]]  # two coordinates that say the same
    assert barlow_twins_loss(same, same, 0.5).item() == pytest.approx(2 * 0.5)
    assert barlow_twins_loss(codes, -codes, 0.5).item() == pytest.approx(2 * 4)


def test_a_query_finds_its_key():
    first, _ = pair()
    assert moco_loss(first, first, 0.02).item() < moco_loss(first, first.roll(1, 0), 0.02).item()
    uniform = torch.ones(5, 7)
    assert moco_loss(uniform, uniform, 0.5).item() == pytest.approx(math.log(5), rel=1e-5)
