"""Scaled dot-product attention, in the form that is fastest where it runs.

torch's fused attention is the fastest form of torch 2.13 almost everywhere. The exception is training in bf16 on a CPU:
its backward pass is up to eight times slower there than the plain products, which the hardware multiplies in bf16
(docs/performance.md). Every attention layer of this package calls one of the two functions below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK_BYTES = 1 << 20  # of attention weights at a time, so that they stay in a core's second-level cache


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    """Return ``softmax(q k^T / sqrt(channel)) v``: ``(batch, head, query, channel)`` as `q`.

    `k` and `v` are ``(batch, head, key, channel)``; `mask` is False at keys that are not read, by all queries
    ``(batch, key)`` or by each ``(batch, query, key)``. `dropout` is the share of attention weights that are set to 0.
    """
    if q.device.type == "cpu" and q.requires_grad and not dropout and _product_type(q) == torch.bfloat16:
        return _PlainAttention.apply(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=None if mask is None else _for_all_heads(mask), dropout_p=dropout
    )


def multi_head_attention(
    layer: nn.MultiheadAttention, query: Tensor, tokens: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Return ``layer(query, tokens, tokens)`` without its weights: ``(batch, query, width)``.

    For layers of torch's class with equal widths, biases and ``batch_first``; `tokens` is ``(batch, token, width)``.
    `mask` is that of `attend`.
    """
    width, weight, bias = layer.embed_dim, layer.in_proj_weight, layer.in_proj_bias
    if query is tokens:
        projections = F.linear(tokens, weight, bias).chunk(3, dim=-1)
    else:
        keys_values = F.linear(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
        projections = (F.linear(query, weight[:width], bias[:width]), *keys_values)
    q, k, v = (x.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2) for x in projections)
    mixed = attend(q, k, v, mask, layer.dropout if layer.training else 0.0)
    return layer.out_proj(mixed.transpose(1, 2).flatten(2))


def pool_with_query(layer: nn.MultiheadAttention, tokens: Tensor, constant: Tensor) -> Tensor:
    """Return ``layer(x[:, :1], x, x)`` of ``x = constant + (0, tokens)``, where all recordings ask the same question.

    `tokens` is ``(batch, token, width)`` and `constant` ``(1 + token, width)``: a first token that is the query, and
    positions. The output is ``(batch, width)``. With one query for all, a head's logit is a linear map of a token, and
    its values are projected after they were averaged: no token gets a key or a value of its own.
    """
    width, heads, weight, bias = layer.embed_dim, layer.num_heads, layer.in_proj_weight, layer.in_proj_bias
    channels = width // heads
    query_weight, key_weight, value_weight = weight.unflatten(0, (3, heads, channels))
    query = (query_weight @ constant[0] + bias[:width].unflatten(0, (heads, channels))) * channels**-0.5
    # keys' biases add the same to all logits of a head, so they change nothing
    questions = (query.unsqueeze(1) @ key_weight).squeeze(1)  # (head, width)
    constant_logits = questions @ constant.T  # (head, 1 + token)
    token_logits = F.pad((tokens @ questions.T).transpose(1, 2), (1, 0))  # (batch, head, 1 + token)
    weights = (token_logits + constant_logits).softmax(-1)
    means = weights[..., 1:] @ tokens + weights @ constant  # (batch, head, width)
    values = torch.einsum("bhw,hcw->bhc", means, value_weight) + bias[2 * width :].unflatten(0, (heads, channels))
    return layer.out_proj(values.flatten(1))


def project_together(x: Tensor, *layers: nn.Linear) -> tuple[Tensor, ...]:
    """Return ``layer(x)`` for each layer, computed as one product: ``(..., inputs)`` -> one ``(..., outputs)`` each.

    Under autocast `x` is then converted once and not once per layer.
    """
    weight = torch.cat([layer.weight for layer in layers])
    bias = torch.cat([layer.bias for layer in layers])
    return F.linear(x, weight, bias).split([layer.out_features for layer in layers], dim=-1)


def _product_type(x: Tensor) -> torch.dtype:
    """Return the precision in which a product of `x` is computed, under autocast or without it."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


class _PlainAttention(torch.autograd.Function):
    """Attention as products of matrices with its own backward pass, a few recordings at a time."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        batch, heads, queries, channels = q.shape
        output = q.new_empty(batch, queries, heads, channels).transpose(1, 2)  # so that joining heads copies nothing
        weights = q.new_empty(batch, heads, queries, k.shape[2])
        for rows in _chunks(weights):
            logits = torch.matmul(q[rows], k[rows].transpose(-1, -2)).mul_(channels**-0.5)
            if mask is not None:
                logits.masked_fill_(~_for_all_heads(mask[rows]), -torch.inf)
            torch.softmax(logits, -1, out=weights[rows])
            output[rows] = torch.matmul(weights[rows], v[rows])
        ctx.save_for_backward(q, k, v, weights)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, weights = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        for rows in _chunks(weights):
            dv[rows] = torch.matmul(weights[rows].transpose(-1, -2), gradient[rows])
            inner = torch.matmul(gradient[rows], v[rows].transpose(-1, -2))
            inner = torch._softmax_backward_data(inner, weights[rows], -1, q.dtype).mul_(q.shape[-1] ** -0.5)
            dq[rows] = torch.matmul(inner, k[rows])
            dk[rows] = torch.matmul(inner.transpose(-1, -2), q[rows])
        return dq, dk, dv, None


def _for_all_heads(mask: Tensor) -> Tensor:
    """Return a mask of keys, or of queries and keys, with the dimensions ``(batch, head, query, key)``."""
    return mask[:, None, None, :] if mask.ndim == 2 else mask.unsqueeze(1)


def _chunks(weights: Tensor) -> Iterator[slice]:
    """Yield slices of the batch whose attention weights ``(batch, head, query, key)`` fill `CHUNK_BYTES`."""
    size = max(1, CHUNK_BYTES // (weights[0].numel() * weights.element_size()))
    yield from (slice(start, start + size) for start in range(0, len(weights), size))
