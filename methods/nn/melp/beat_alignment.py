"""MELP's local loss: sentences of a report against the beats of a recording.

It is the local loss of GLoRIA (Huang et al., ICCV 2021, section 3.3): each sentence collects what the beats say about
it, and a recording fits a report as well as its sentences fit what they have found.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SHARPNESS, SENTENCE_SCALE, PAIR_SCALE = 4.0, 5.0, 10.0  # GLoRIA's three temperatures


def sentence_means(
    states: Tensor, ids: Tensor, mask: Tensor, full_stops: Sequence[int], special: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return the mean state of each sentence ``(batch, sentence, width)``, and which exist ``(batch, sentence)``.

    `states` are ``(batch, token, width)``, `ids` and `mask` ``(batch, token)``. A sentence ends with a full stop and
    counts its tokens that are not `special`; words after the last full stop belong to none. A report without any full
    stop is one sentence (the release drops it from the list, so that all later reports meet a wrong recording).
    """
    ends = _is_one_of(ids, full_stops) & mask
    number = ends.cumsum(1) - ends.long()  # of the sentence to which a token belongs
    count = ends.sum(1).clamp(min=1)
    counted = mask & ~_is_one_of(ids, special) & (number < count.unsqueeze(1))
    membership = F.one_hot(number.clamp(max=int(count.max()) - 1), int(count.max())) * counted.unsqueeze(-1)
    sizes = membership.sum(1)  # (batch, sentence)
    sums = torch.einsum("bts,btd->bsd", membership.to(states.dtype), states)
    return sums / sizes.clamp(min=1).unsqueeze(-1), sizes > 0


def beat_alignment_loss(beats: Tensor, sentences: Tensor, present: Tensor) -> Tensor:
    """Return the contrast of all pairs of recordings and reports of this process, the mean of both directions.

    `beats` are ``(batch, beat, dim)``, `sentences` ``(batch, sentence, dim)``, those that are `present`
    ``(batch, sentence)`` count. A pair whose report has no sentence is left out; without any pair the loss is 0.
    """
    usable = present.any(1)
    with torch.autocast(beats.device.type, enabled=False):
        if not usable.any():
            return 0 * (beats.float().sum() + sentences.float().sum())
        logits = beat_similarity(beats.float()[usable], sentences.float()[usable], present[usable])
        target = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def beat_similarity(beats: Tensor, sentences: Tensor, present: Tensor) -> Tensor:
    """Return how well each recording fits each report, ``(recording, report)``; arguments as in the loss."""
    absent = ~present[None, :, :, None]
    products = torch.einsum("rbd,tsd->rtsb", beats, sentences).masked_fill(absent, -torch.inf)
    attention = (SHARPNESS * products.softmax(2)).softmax(3)  # first over sentences, then over beats
    context = torch.einsum("rtsb,rbd->rtsd", attention, beats)
    cosines = F.cosine_similarity(context, sentences.unsqueeze(0), dim=-1)
    return PAIR_SCALE * (SENTENCE_SCALE * cosines).masked_fill(~present, -torch.inf).logsumexp(2)


def _is_one_of(ids: Tensor, values: Sequence[int]) -> Tensor:
    return torch.isin(ids, torch.tensor(list(values), dtype=ids.dtype, device=ids.device))
