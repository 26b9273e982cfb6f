"""MELP's local loss: sentences of a report against the beats of a recording.

It is the local loss of GLoRIA (Huang et al., ICCV 2021, section 3.3): each sentence collects what the beats say about
it, and a recording fits a report as well as its sentences fit what they have found.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.nn.transfer import hand_over

SHARPNESS, SENTENCE_SCALE, PAIR_SCALE = 4.0, 5.0, 10.0  # GLoRIA's three temperatures
IGNORED = -100  # the target of a pair that is left out


def sentence_means(
    states: Tensor, ids: Tensor, mask: Tensor, full_stops: Sequence[int], special: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return the mean state of each sentence ``(batch, sentence, width)``, and which exist ``(batch, sentence)``.

    `states` are ``(batch, token, width)``, `ids` and `mask` ``(batch, token)``, best on the CPU, which has to know how
    many sentences there are. A sentence ends with a full stop and
    counts its tokens that are not `special`; words after the last full stop belong to none. A report without any full
    stop is one sentence (the release drops it from the list, so that all later reports meet a wrong recording).
    """
    ends = _is_one_of(ids, full_stops) & mask
    number = ends.cumsum(1) - ends.long()  # of the sentence to which a token belongs
    count = ends.sum(1).clamp(min=1)
    counted = mask & ~_is_one_of(ids, special) & (number < count.unsqueeze(1))
    most = int(count.max())
    membership = hand_over(F.one_hot(number.clamp(max=most - 1), most) * counted.unsqueeze(-1), states.device)
    sizes = membership.sum(1)  # (batch, sentence)
    sums = torch.einsum("bts,btd->bsd", membership.to(states.dtype), states)
    return sums / sizes.clamp(min=1).unsqueeze(-1), sizes > 0


def beat_alignment_loss(beats: Tensor, sentences: Tensor, present: Tensor) -> Tensor:
    """Return the contrast of all pairs of recordings and reports of this process, the mean of both directions.

    `beats` are ``(batch, beat, dim)``, `sentences` ``(batch, sentence, dim)``, those that are `present`
    ``(batch, sentence)`` count. A pair whose report has no sentence is left out; without any pair the loss is 0.
    """
    usable = present.any(1)
    # pairs are masked and not selected: their number would have to be read from a GPU
    with torch.autocast(beats.device.type, enabled=False):
        similarity = beat_similarity(beats.float(), sentences.float(), present | ~usable.unsqueeze(1))
        logits = similarity.masked_fill(~(usable & usable.unsqueeze(1)), torch.finfo(similarity.dtype).min)
        target = torch.where(usable, torch.arange(len(logits), device=logits.device), IGNORED)
        both = (F.cross_entropy(x, target, ignore_index=IGNORED, reduction="sum") for x in (logits, logits.T))
        return sum(both, start=logits.new_zeros(())) / (2 * usable.sum().clamp(min=1))


def beat_similarity(beats: Tensor, sentences: Tensor, present: Tensor) -> Tensor:
    """Return how well each recording fits each report, ``(recording, report)``; arguments as in the loss."""
    absent = ~present[None, :, :, None]
    products = torch.einsum("rbd,tsd->rtsb", beats, sentences).masked_fill(absent, -torch.inf)
    attention = (SHARPNESS * products.softmax(2)).softmax(3)  # first over sentences, then over beats
    context = torch.einsum("rtsb,rbd->rtsd", attention, beats)
    cosines = F.cosine_similarity(context, sentences.unsqueeze(0), dim=-1)
    return PAIR_SCALE * (SENTENCE_SCALE * cosines).masked_fill(~present, -torch.inf).logsumexp(2)


def _is_one_of(ids: Tensor, values: Sequence[int]) -> Tensor:
    return torch.isin(ids, hand_over(torch.tensor(list(values), dtype=ids.dtype), ids.device))
