"""What the text side of C-MELT sees of a batch: some reports replaced by negatives, then some words hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from methods.nn.masked_words import IGNORED, mask_words
from methods.nn.text import TextEncoder


class Shown(NamedTuple):
    """What the text side of a batch sees, and what is asked about it."""

    ids: Tensor  # (batch, word), some of them hidden
    mask: Tensor  # (batch, word), False at padding
    labels: Tensor  # (batch, word)
    own: Tensor  # (batch,), a number for the recording's own report
    said: Tensor  # (batch,), a number for the report that is shown

    @property
    def aligned(self) -> Tensor:
        """``(batch,)``, bool: the report shown is the recording's own."""
        return self.own == self.said

    def rows(self, rows: Tensor) -> Shown:
        """Some rows, without the padding that only other rows need."""
        words = int(self.mask[rows].sum(1).max())
        return Shown(*(part[rows, :words] for part in self[:3]), self.own[rows], self.said[rows])


def clean(report: str) -> str:
    """Lower case, ``ecg`` for ``ekg``, no stars, dashes and equal signs at the ends: as the release does it."""
    return report.lower().strip().replace("ekg", "ecg").strip("* =-")


def replace_some(reports: Sequence[str], negative: Callable[[Sequence[str]], list[str]], share: float) -> list[str]:
    """On average the `share` of the reports becomes what `negative` draws for them."""
    number = int(share * len(reports) + float(torch.rand(())))
    chosen = torch.randperm(len(reports))[:number].tolist()
    texts = list(reports)
    for position, text in zip(chosen, negative([reports[i] for i in chosen]), strict=True):
        texts[position] = text
    return texts


def show(encoder: TextEncoder, reports: Sequence[str], texts: Sequence[str], ratio: float) -> Shown:
    """`texts` in place of `reports`, with the share `ratio` of the words hidden.

    Hidden words are asked for in a recording's own report alone: a recording says nothing about another's words.
    """
    ids, mask = encoder.tokenise(texts)
    hidden, labels = _hide(encoder, ids, ratio)
    own, said = _numbers(reports, ids.device), _numbers(texts, ids.device)
    return Shown(hidden, mask, labels.masked_fill((own != said).unsqueeze(1), IGNORED), own, said)


def show_as_released(encoder: TextEncoder, reports: Sequence[str], texts: Sequence[str], ratio: float) -> Shown:
    """The released collator: words are hidden in the original reports, and the result overwrites the negatives.

    What stays of a negative is its padding and its label.
    """
    ids, mask = (part.tensor_split([len(reports)]) for part in encoder.tokenise([*reports, *texts]))
    hidden, labels = _hide(encoder, ids[0], ratio)
    return Shown(hidden, mask[1], labels, _numbers(reports, hidden.device), _numbers(texts, hidden.device))


def _hide(encoder: TextEncoder, ids: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    assert encoder.mask_id is not None
    return mask_words(ids, encoder.special_ids, encoder.mask_id, encoder.vocab_size, ratio)


def _numbers(texts: Sequence[str], device: torch.device) -> Tensor:
    """A number per text, the same in every process, so that texts can be compared over processes."""
    digests = [blake2b(text.encode(), digest_size=8).digest() for text in texts]
    return torch.tensor([int.from_bytes(d, signed=True) for d in digests], dtype=torch.int64, device=device)
