"""wav2vec 2.0 for ECG: a convolutional stem, a transformer with convolutional positions, quantised targets.

Baevski et al., NeurIPS 2020, arXiv 2006.11477, in the form that Oh et al., "Lead-agnostic Self-supervised Learning
for Local and Global Representations of Electrocardiogram", CHIL 2022, arXiv 2203.06889, give it for twelve leads:
post-norm layers, a stem of 2-sample convolutions. Parameters carry the names of fairseq-signals.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StemLayer(nn.Sequential):
    """Convolution without bias, one norm per channel over time in the first layer only, GELU."""

    def __init__(self, inputs: int, outputs: int, first: bool) -> None:
        conv = nn.Conv1d(inputs, outputs, 2, 2, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        norm = [nn.GroupNorm(outputs, outputs)] if first else []
        super().__init__(conv, nn.Dropout(0.0), *norm, nn.GELU())


class Stem(nn.Module):
    """``(batch, lead, time)`` -> ``(batch, channel, time / 2 ** layers)``."""

    def __init__(self, leads: int, channels: int, layers: int) -> None:
        super().__init__()
        inputs = [leads] + [channels] * (layers - 1)
        self.conv_layers = nn.ModuleList(StemLayer(inputs[i], channels, i == 0) for i in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.conv_layers:
            x = layer(x)
        return x


class ConvPositions(nn.Module):
    """Positions by a grouped convolution over tokens, its weight in length and direction per tap."""

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        nn.init.normal_(conv.weight, std=(4 / (kernel * width)) ** 0.5)
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.pos_conv = nn.Sequential(nn.utils.parametrizations.weight_norm(conv, dim=2))

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, token, width)`` -> the same shape."""
        found = self.pos_conv(x.transpose(1, 2))[..., : x.shape[1]]  # an even kernel gives one token more
        return F.gelu(found).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention with separate projections."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )  # (batch, head, token, channel)
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Post-norm: attention, norm, feed-forward, norm."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads, dropout)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, token, width)`` -> the same shape."""
        x = self.self_attn_layer_norm(x + self.dropout(self.self_attn(x)))
        return self.final_layer_norm(x + self.dropout(self.fc2(F.gelu(self.fc1(x)))))


class Transformer(nn.Module):
    """A norm on the input, then the layers."""

    def __init__(self, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layer_norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, token, width)`` -> the same shape."""
        x = self.dropout(self.layer_norm(x))
        for layer in self.layers:
            x = layer(x)
        return x


class Quantised(NamedTuple):
    """Code vectors, and how evenly the codebooks are used."""

    codes: Tensor  # (batch, token, dim)
    perplexity: Tensor  # of the mean distribution, summed over codebooks; at most groups * entries


class Quantiser(nn.Module):
    """Product quantisation: per group one of `entries` code vectors, in training by hard Gumbel softmax."""

    def __init__(self, inputs: int, dim: int, entries: int, groups: int) -> None:
        super().__init__()
        if dim % groups:
            raise ValueError(f"{dim} channels cannot be divided among {groups} codebooks")
        self.entries, self.groups = entries, groups
        self.vars = nn.Parameter(torch.rand(1, groups * entries, dim // groups))
        self.weight_proj = nn.Linear(inputs, groups * entries)
        nn.init.normal_(self.weight_proj.weight)
        nn.init.zeros_(self.weight_proj.bias)

    def forward(self, x: Tensor, temperature: float) -> Quantised:
        """``(batch, token, inputs)`` -> codes ``(batch, token, dim)``."""
        logits = self.weight_proj(x).float().unflatten(-1, (self.groups, self.entries))
        mean = logits.softmax(-1).flatten(0, 1).mean(0)  # (group, entry)
        perplexity = (-(mean * (mean + 1e-7).log()).sum(-1)).exp().sum()
        chosen = F.one_hot(logits.argmax(-1), self.entries).to(logits)
        if self.training:
            noise = -torch.empty(logits.shape).exponential_().log().to(logits)
            soft = ((logits + noise) / temperature).softmax(-1)
            chosen = F.one_hot(soft.argmax(-1), self.entries).to(soft) + soft - soft.detach()
        books = self.vars.view(self.groups, self.entries, -1)
        return Quantised(torch.einsum("btgv,gvc->btgc", chosen, books).flatten(2), perplexity)


class ScaleGradient(torch.autograd.Function):
    """The identity, with the gradient multiplied on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def mask_spans(batch: int, tokens: int, probability: float, length: int) -> Tensor:
    """``(batch, token)`` bool: spans of `length` tokens at random places, the same number of tokens in each row.

    `probability` is the number of spans times their length over `tokens`; spans may overlap. At least two tokens are
    hidden in each row, so that one can be told from another.
    """
    length = min(length, tokens)
    spans = max(1, int(probability * tokens / length + torch.rand(()).item()))
    starts = torch.rand(batch, tokens - length + 1).argsort(1)[:, :spans]
    places = (starts.unsqueeze(-1) + torch.arange(length)).flatten(1)  # (batch, spans * length)
    hidden = torch.zeros(batch, tokens).scatter_(1, places, 1.0)
    count = max(2, int(hidden.sum(1).min()))
    chosen = (hidden + torch.rand(hidden.shape)).topk(count, dim=1).indices
    return torch.zeros(batch, tokens, dtype=torch.bool).scatter_(1, chosen, True)


def contrast(predicted: Tensor, targets: Tensor, negatives: int, temperature: float) -> Tensor:
    """Tell each target from `negatives` other targets of its recording; ``(batch, token, dim)`` twice."""
    batch, tokens, _ = targets.shape
    drawn = torch.randint(tokens - 1, (batch, tokens, negatives))
    drawn = drawn + (drawn >= torch.arange(tokens)[None, :, None])  # all but oneself
    places = torch.cat([torch.arange(tokens)[None, :, None].expand(batch, -1, 1), drawn], dim=2).to(targets.device)
    cosines = F.normalize(predicted.float(), dim=-1) @ F.normalize(targets.float(), dim=-1).transpose(1, 2)
    logits = cosines.gather(2, places) / temperature  # (batch, token, 1 + negatives)
    values = targets.detach().float()
    twins = (torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist") == 0).gather(2, places)
    twins[..., 0] = False
    logits = logits.masked_fill(twins, -torch.inf)  # the same code is no negative
    return F.cross_entropy(logits.flatten(0, 1), torch.zeros(batch * tokens, dtype=torch.long, device=logits.device))
