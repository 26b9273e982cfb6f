"""The training objective of wav2vec 2.0: hidden spans of tokens, quantised targets, contrast between targets.

Baevski et al., NeurIPS 2020, arXiv 2006.11477, with the sizes of Oh et al., "Lead-agnostic Self-supervised Learning
for Local and Global Representations of Electrocardiogram", CHIL 2022, arXiv 2203.06889. Names as in fairseq-signals.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.transfer import hand_over


class Quantised(NamedTuple):
    """Code vectors, and how evenly the codebooks are used."""

    codes: Tensor  # (batch, token, dim)
    perplexity: Tensor  # of the mean distribution, summed over codebooks; at most groups * entries


class Quantiser(nn.Module):
    """Product quantisation: in each group one of `entries` code vectors, in training by hard Gumbel softmax.

    Raises ValueError where the channels cannot be divided among the groups.
    """

    def __init__(self, inputs: int, dim: int, entries: int, groups: int) -> None:
        super().__init__()
        if dim % groups:
            raise ValueError(f"{dim} channels cannot be divided among {groups} codebooks")
        self.entries, self.groups = entries, groups
        self.vars = nn.Parameter(torch.rand(1, groups * entries, dim // groups))
        self.weight_proj = nn.Linear(inputs, groups * entries)
        nn.init.normal_(self.weight_proj.weight)
        nn.init.zeros_(self.weight_proj.bias)

    def forward(self, x: Tensor, temperature: float | Tensor) -> Quantised:
        """Map ``(batch, token, inputs)`` to codes ``(batch, token, dim)``."""
        logits = self.weight_proj(x).float().unflatten(-1, (self.groups, self.entries))
        mean = logits.softmax(-1).flatten(0, 1).mean(0)  # (group, entry)
        perplexity = (-(mean * (mean + 1e-7).log()).sum(-1)).exp().sum()
        choice = F.one_hot(logits.argmax(-1), self.entries).to(logits)
        if self.training:
            noise = hand_over(-torch.empty(logits.shape).exponential_().log(), logits.device)
            soft = ((logits + noise) / temperature).softmax(-1)
            choice = F.one_hot(soft.argmax(-1), self.entries).to(soft) + soft - soft.detach()
        books = self.vars.view(self.groups, self.entries, -1)
        return Quantised(torch.einsum("btgv,gvc->btgc", choice, books).flatten(2), perplexity)


class ScaleGradient(torch.autograd.Function):
    """The identity; its backward pass multiplies the gradient by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def mask_spans(batch: int, tokens: int, probability: float, length: int) -> Tensor:
    """Draw spans of `length` tokens at random positions, with the same number of hidden tokens in each row.

    Returns ``(batch, token)`` bool, True where hidden. `probability` is the number of spans times their length over
    `tokens`; spans may overlap. At least two tokens are hidden in each row, so that each has a negative.
    """
    length = min(length, tokens)
    spans = max(1, int(probability * tokens / length + torch.rand(()).item()))
    starts = torch.rand(batch, tokens - length + 1).argsort(1)[:, :spans]
    positions = (starts.unsqueeze(-1) + torch.arange(length)).flatten(1)  # (batch, spans * length)
    hidden = torch.zeros(batch, tokens).scatter_(1, positions, 1.0)
    count = max(2, int(hidden.sum(1).min()))
    columns = (hidden + torch.rand(hidden.shape)).topk(count, dim=1).indices
    return torch.zeros(batch, tokens, dtype=torch.bool).scatter_(1, columns, True)


def contrastive_loss(predicted: Tensor, targets: Tensor, negatives: int, temperature: float) -> Tensor:
    """Return the cross-entropy of identifying each target among `negatives` other targets of its recording.

    `predicted` and `targets` are ``(batch, token, dim)``.
    """
    batch, tokens, _ = targets.shape
    draws = torch.randint(tokens - 1, (batch, tokens, negatives))
    draws = draws + (draws >= torch.arange(tokens)[None, :, None])  # every token but itself
    own = torch.arange(tokens)[None, :, None].expand(batch, -1, 1)
    positions = hand_over(torch.cat([own, draws], dim=2), targets.device)
    cosines = F.normalize(predicted.float(), dim=-1) @ F.normalize(targets.float(), dim=-1).transpose(1, 2)
    logits = cosines.gather(2, positions) / temperature  # (batch, token, 1 + negatives)
    values = targets.detach().float()
    twins = (torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist") == 0).gather(2, positions)
    twins[..., 0] = False
    logits = logits.masked_fill(twins, -torch.inf)  # an equal code is no negative
    return F.cross_entropy(logits.flatten(0, 1), torch.zeros(batch * tokens, dtype=torch.long, device=logits.device))
