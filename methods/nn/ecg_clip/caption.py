"""A captioning head: predict a report word by word from a recording's tokens.

The multimodal half of Yu et al., "CoCa: Contrastive Captioners are Image-Text Foundation Models", TMLR 2022, arXiv
2205.01917. In CoCa it follows a causal text encoder; here it reads the report itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.attention import attend
from methods.nn.transfer import hand_over, true_positions


class CaptionHead(nn.Module):
    """A causal decoder with attention to a recording's tokens (`memory`); calling it returns the loss."""

    def __init__(self, vocab_size: int, max_tokens: int, memory: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.positions = nn.Parameter(0.02 * torch.randn(max_tokens, width))
        self.memory = nn.Linear(memory, width)
        self.layers = nn.ModuleList(CaptionLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def forward(self, ids: Tensor, mask: Tensor, memory: Tensor) -> Tensor:
        """Return the cross-entropy of each next token, mean over real tokens; 0 where every text has one token at most.

        `ids` and `mask` are ``(batch, token)``, best on the CPU, `memory` is ``(batch, step, channel)``.
        """
        real = true_positions(mask[:, 1:], memory.device)
        ids = hand_over(ids, memory.device)
        logits = self._logits(self.decode(ids[:, :-1], memory).flatten(0, 1)[real])  # (number, vocabulary)
        return F.cross_entropy(logits.float(), ids[:, 1:].flatten()[real], reduction="sum") / max(len(real), 1)

    def logits(self, ids: Tensor, memory: Tensor) -> Tensor:
        """Return logits of the token after each: ids ``(batch, token)`` -> ``(batch, token, vocabulary)``."""
        return self._logits(self.decode(ids, memory))

    def decode(self, ids: Tensor, memory: Tensor) -> Tensor:
        """Return the states of tokens: ids ``(batch, token)`` -> ``(batch, token, width)``."""
        x = self.embedding(ids) + self.positions[: ids.shape[1]]
        memory = self.memory(memory)
        for layer in self.layers:
            x = layer(x, memory)
        return self.norm(x)

    def _logits(self, states: Tensor) -> Tensor:
        return states @ self.embedding.weight.T


class CaptionLayer(nn.Module):
    """Pre-norm attention to earlier tokens, attention to the recording, feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.query, self.key_value, self.cross = (nn.Linear(width, n * width) for n in (1, 2, 1))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape, with attention to `memory` ``(batch, step, width)``."""
        q, k, v = self._split(self.qkv(self.norm1(x)), 3)
        x = x + self.out(_join_heads(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
        (q,), (k, v) = self._split(self.query(self.norm2(x)), 1), self._split(self.key_value(memory), 2)
        x = x + self.cross(_join_heads(attend(q, k, v)))
        return x + self.mlp(self.norm3(x))

    def _split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Split ``(batch, token, parts * width)`` into `parts` tensors ``(batch, head, token, channel)``."""
        return x.unflatten(-1, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


def _join_heads(x: Tensor) -> Tensor:
    """Join the heads: ``(batch, head, token, channel)`` -> ``(batch, token, width)``."""
    return x.transpose(1, 2).flatten(2)
