"""Selected tokens equal those that indexing gives, forward and backward."""

import torch

from methods.nn.token_selection import place_tokens, select_tokens


def test_tokens_are_selected_and_placed_by_sequence():
    torch.manual_seed(0)
    tokens = torch.randn(3, 7, 4, dtype=torch.double, requires_grad=True)
    positions = torch.rand(3, 7).argsort(1)[:, :5]
    part = select_tokens(tokens, positions)
    expected = tokens[torch.arange(3)[:, None], positions]
    assert torch.equal(part, expected)
    weight = torch.randn_like(expected)
    gradients = [torch.autograd.grad((output * weight).sum(), tokens)[0] for output in (part, expected)]
    assert torch.equal(*gradients)
    sequence = place_tokens(part, positions, 9)
    assert sequence.shape == (3, 9, 4) and torch.equal(select_tokens(sequence, positions), expected)
    assert (sequence != 0).any(-1).sum(1).tolist() == [5, 5, 5]
    assert torch.autograd.gradcheck(lambda x: place_tokens(select_tokens(x, positions), positions, 9), tokens)
