"""MELP's caption loss: the next word of a report from its earlier words and the recording.

The multimodal decoder of CoCa (Yu et al., "CoCa: Contrastive Captioners are Image-Text Foundation Models", TMLR 2022,
arXiv 2205.01917) behind a causal language model; parameters carry the names of open_clip's class.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.attention import multi_head_attention
from methods.nn.gather import global_mean
from methods.nn.transfer import hand_over, true_positions


class CaptionDecoder(nn.Module):
    """Pairs of a causal block over words and a block that reads the recording, then logits of the next word."""

    def __init__(self, width: int, vocab_size: int, layers: int = 6, heads: int = 8) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.cross_attn = nn.ModuleList(Block(width, heads, reads_other=True) for _ in range(layers))
        self.ln_final = nn.LayerNorm(width)
        # the release leaves this one as torch.empty made it; CoCa's deviation is meant
        self.text_projection = nn.Parameter(width**-0.5 * torch.randn(width, vocab_size))

    def forward(self, words: Tensor, memory: Tensor) -> Tensor:
        """Return logits of the word after each: ``(batch, word, width)`` -> ``(batch, word, vocabulary)``.

        `memory` are the recording's caption tokens, ``(batch, token, width)``.
        """
        return self.decode(words, memory) @ self.text_projection

    def decode(self, words: Tensor, memory: Tensor) -> Tensor:
        """Map words ``(batch, word, width)`` to normalised states of the same shape."""
        batch, length, _ = words.shape
        earlier = torch.ones(length, length, dtype=torch.bool, device=words.device).tril().expand(batch, -1, -1)
        for block, read in zip(self.resblocks, self.cross_attn, strict=True):
            words = read(block(words, mask=earlier), memory)
        return self.ln_final(words)

    def loss(self, words: Tensor, ids: Tensor, mask: Tensor, memory: Tensor) -> Tensor:
        """Return the cross-entropy of each next word, a mean over the real ones of all processes.

        `words` are the language model's states ``(batch, word, width)``, `ids` and `mask` ``(batch, word)``, best on
        the CPU.
        """
        real = true_positions(mask[:, 1:], words.device)
        targets = hand_over(ids[:, 1:].flatten(), words.device)[real]
        logits = self.decode(words[:, :-1], memory).flatten(0, 1)[real] @ self.text_projection
        return global_mean(F.cross_entropy(logits.float(), targets, reduction="none"))


class Block(nn.Module):
    """Pre-norm attention and feed-forward, each with its residual; with `reads_other` it attends to the recording."""

    def __init__(self, width: int, heads: int, reads_other: bool = False) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ln_1_kv = nn.LayerNorm(width) if reads_other else None
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        parts = (("c_fc", nn.Linear(width, 4 * width)), ("gelu", nn.GELU()), ("c_proj", nn.Linear(4 * width, width)))
        self.mlp = nn.Sequential(OrderedDict[str, nn.Module](parts))

    def forward(self, x: Tensor, other: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Map ``(batch, word, width)`` to the same shape."""
        query = self.ln_1(x)
        tokens = query if other is None or self.ln_1_kv is None else self.ln_1_kv(other)
        x = x + multi_head_attention(self.attn, query, tokens, mask)
        return x + self.mlp(self.ln_2(x))
