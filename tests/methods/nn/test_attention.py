"""Attention: the plain form for bf16 training on a CPU equals torch's, forward and backward."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from methods.nn import attention
from methods.nn.attention import attend, multi_head_attention, project_together


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(function, inputs):
    leaves = [x.clone().requires_grad_() for x in inputs]
    output = function(*leaves)
    output.backward(draw(*output.shape, seed=9, dtype=output.dtype))
    return [output.detach(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("chunk", [1, 1 << 20])
@pytest.mark.parametrize("masked", [False, True])
def test_the_plain_form_has_the_values_and_gradients_of_the_fused_one(monkeypatch, chunk, masked):
    monkeypatch.setattr(attention, "CHUNK_BYTES", chunk)  # 1: one recording at a time
    q, k, v = draw(5, 2, 7, 8, dtype=torch.double), draw(5, 2, 9, 8, seed=1).double(), draw(5, 2, 9, 8, seed=2).double()
    mask = (torch.arange(9) < torch.tensor([[9], [1], [4], [8], [2]])) if masked else None
    wide = None if mask is None else mask[:, None, None, :]
    expected = gradients(lambda *x: F.scaled_dot_product_attention(*x, attn_mask=wide), (q, k, v))
    for value, other in zip(
        expected, gradients(lambda *x: attention._PlainAttention.apply(*x, mask), (q, k, v)), strict=True
    ):
        torch.testing.assert_close(other, value)


def test_only_training_in_bf16_on_a_cpu_takes_the_plain_form(monkeypatch):
    calls = []
    monkeypatch.setattr(attention._PlainAttention, "apply", lambda q, *_: calls.append(q.dtype) or q)
    x = draw(1, 1, 3, 4)
    attend(x, x, x)
    leaf = x.clone().requires_grad_()
    attend(leaf, leaf, leaf)
    with torch.autocast("cpu", torch.bfloat16):
        attend(x, x, x)
        attend(leaf, leaf, leaf, dropout=0.1)
        assert not calls
        attend(leaf, leaf, leaf)
    attend(leaf.bfloat16(), leaf.bfloat16(), leaf.bfloat16())
    assert calls == [torch.bfloat16, torch.bfloat16]


@pytest.mark.parametrize("queries", [1, 6])
def test_multi_head_attention_equals_torchs_layer(queries):
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    nn.init.normal_(layer.in_proj_bias)
    tokens = draw(3, 6, 8)
    query = tokens if queries == 6 else tokens[:, :1]
    expected = layer(query, tokens, tokens, need_weights=False)[0]
    torch.testing.assert_close(multi_head_attention(layer, query, tokens), expected)


def test_layers_projected_together_give_what_each_gives():
    layers = [nn.Linear(4, 3), nn.Linear(4, 5)]
    x = draw(2, 6, 4)
    for output, layer in zip(project_together(x, *layers), layers, strict=True):
        torch.testing.assert_close(output, layer(x))
