"""Attention pooling against attention written out by hand."""

import pytest
import torch

from methods.nn.attention_pool import AttentionPool


def by_hand(pool, tokens):
    """Compute the attention of one query head by head; the class token gets position 0 twice."""
    position, dim, heads = pool.positional_embedding[0], tokens.shape[-1], pool.mhsa.num_heads
    rows = []
    for record in tokens:
        cls = pool.cls_token[0, 0] + 2 * position[0]
        x = torch.cat([cls[None], record + position[1:]])
        q, k, v = (x @ pool.mhsa.in_proj_weight.T + pool.mhsa.in_proj_bias).split(dim, dim=-1)
        per_head = zip(*(m.chunk(heads, dim=-1) for m in (q[:1], k, v)), strict=True)
        mixed = torch.cat([(q @ k.T / (dim / heads) ** 0.5).softmax(-1) @ v for q, k, v in per_head], dim=-1)
        rows.append(pool.c_proj(pool.mhsa.out_proj(mixed))[0])
    return torch.stack(rows)


def test_equals_attention_written_out():
    torch.manual_seed(0)
    pool = AttentionPool(tokens=7, dim=16, heads=4, outputs=5)
    pool.mhsa.in_proj_bias.data.normal_()
    pool.positional_embedding.data.normal_()
    tokens = torch.randn(3, 7, 16)
    torch.testing.assert_close(pool(tokens), by_hand(pool, tokens), rtol=1e-4, atol=1e-5)


def test_gradients_equal_those_of_attention_written_out():
    torch.manual_seed(0)
    pool = AttentionPool(tokens=7, dim=16, heads=4).double()
    pool.mhsa.in_proj_bias.data.normal_()
    tokens = torch.randn(3, 7, 16, dtype=torch.double, requires_grad=True)
    inputs, direction = [tokens, *pool.parameters()], torch.randn(3, 16, dtype=torch.double)
    actual = torch.autograd.grad((pool(tokens) * direction).sum(), inputs)
    expected = torch.autograd.grad((by_hand(pool, tokens) * direction).sum(), inputs)
    torch.testing.assert_close(actual, expected)


def test_positions_start_small():
    assert AttentionPool(50, 256).positional_embedding.std().item() == pytest.approx(1 / 256, rel=0.05)


def test_another_number_of_tokens_is_a_clear_error():
    with pytest.raises(ValueError, match="built for 7 tokens and was given 8"):
        AttentionPool(7, 16)(torch.zeros(1, 8, 16))
