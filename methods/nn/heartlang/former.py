"""HeartLang's network: a transformer over a sentence of heartbeats, each told its lead and its second.

Jin et al., ICLR 2025, section 3.3 (ST-ECGFormer). Parameter names are those of the release.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAD_NUMBERS = SECOND_NUMBERS = 16  # rows of the two tables; 0 is padding


class Attention(nn.Module):
    """Pre-norm self-attention; queries, keys and values have no bias."""

    def __init__(self, width: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * head_width, width), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape, without the residual."""
        q, k, v = self.to_qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Norm, linear, GELU, linear, with dropout after each linear layer."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(hidden, width), nn.Dropout(dropout),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape, without the residual."""
        return self.net(x)


class Transformer(nn.Module):
    """Pairs of attention and feed-forward layers, each with its residual."""

    def __init__(self, width: int, depth: int, heads: int, head_width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(width, heads, head_width, dropout), FeedForward(width, hidden, dropout)])
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        for pair in self.layers:
            assert isinstance(pair, nn.ModuleList)
            for layer in pair:
                x = x + layer(x)
        return x


class WordEmbedding(nn.Module):
    """A convolution over three neighbouring words; the sentence is a ring."""

    def __init__(self, word: int, width: int) -> None:
        super().__init__()
        self.tokenConv = nn.Conv1d(word, width, 3, padding=1, padding_mode="circular", bias=False)

    def forward(self, words: Tensor) -> Tensor:
        """Map ``(batch, word, sample)`` to ``(batch, word, width)``."""
        return self.tokenConv(words.transpose(1, 2)).transpose(1, 2)


class NumberEmbedding(nn.Module):
    """A learned vector per lead number, or per second."""

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(numbers, width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Map ``(batch, word)`` to ``(batch, word, width)``."""
        return self.embed(numbers)


class ECGFormer(nn.Module):
    """The encoder with the output layer of its pre-training, which predicts the code of a hidden word.

    Padding is attended to like any word.
    """

    def __init__(
        self, sentence: int, word: int, width: int, depth: int, heads: int, head_width: int, hidden: int, codes: int,
        dropout: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.mask_token = nn.Parameter(torch.empty(1, 1, width).normal_(std=0.02))
        self.cls_token = nn.Parameter(torch.randn(width))
        self.pos_embed = nn.Parameter(torch.empty(1, sentence + 1, width).normal_(std=0.02))
        self.token_embed = WordEmbedding(word, width)
        self.spa_embed = NumberEmbedding(LEAD_NUMBERS, width)
        self.tem_embed = NumberEmbedding(SECOND_NUMBERS, width)
        self.transformer = Transformer(width, depth, heads, head_width, hidden, dropout)
        self.norm_layer = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, codes)

    def forward(
        self, words: Tensor, leads: Tensor | None, seconds: Tensor | None, hidden: Tensor | None = None
    ) -> Tensor:
        """Return ``(batch, 1 + word, width)``, the first for the whole sentence, after the last norm.

        Maps `words` ``(batch, word, sample)``; `leads` and `seconds` ``(batch, word)`` are added where given. Words
        where `hidden` ``(batch, word)`` is True are replaced by the mask token.
        """
        x = self.token_embed(words)
        if hidden is not None:
            x = torch.where(hidden.unsqueeze(-1), self.mask_token, x)
        if leads is not None:
            x = x + self.spa_embed(leads)
        if seconds is not None:
            x = x + self.tem_embed(seconds)
        x = torch.cat([self.cls_token.expand(len(x), 1, -1), x], dim=1) + self.pos_embed
        return self.norm_layer(self.transformer(x))

    def predict_codes(self, words: Tensor, leads: Tensor, seconds: Tensor, hidden: Tensor) -> Tensor:
        """Return the logits ``(hidden word, code)`` of the words that are hidden."""
        return self.lm_head(self(words, leads, seconds, hidden)[:, 1:][hidden])
