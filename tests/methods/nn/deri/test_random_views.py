"""DERI's two random views of a recording's tokens."""

import torch

from methods.nn.deri.random_views import draw_random_views


def test_views_are_two_independent_subsets():
    tokens = torch.arange(20.0)[None, :, None].expand(3, -1, 2)
    torch.manual_seed(0)
    first, second = draw_random_views(tokens, 15)
    for view in (first, second):
        assert view.shape == (3, 15, 2) and all(len(set(row.tolist())) == 15 for row in view[..., 0])
        assert not torch.equal(view.sort(dim=1).values, view)  # the release loses their order
    assert set(first[0, :, 0].tolist()) != set(second[0, :, 0].tolist())
    torch.manual_seed(0)
    in_order, _ = draw_random_views(tokens, 15, keep_order=True)
    assert torch.equal(in_order, first.sort(dim=1).values)
