"""Losses between two parts: 0 for orthogonal ones, 1 for parallel ones, whatever their scale."""

import pytest
import torch

from methods.nn.cgdmer.disentangle import cross_correlation, squared_cosines


def test_squared_cosines_of_orthogonal_parallel_and_oblique_rows():
    x = torch.tensor([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    y = torch.tensor([[0.0, 3.0], [-5.0, 0.0], [1.0, 1.0]])
    assert torch.allclose(squared_cosines(x, y), torch.tensor([0.0, 1.0, 0.5]))


def test_cross_correlation_is_zero_where_nothing_varies_together():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    assert cross_correlation(x, y) == 0
    # X^T X has one entry, 4, of 2 x 2: 16 / 4
    assert cross_correlation(3 * x, x) == pytest.approx(4.0)
