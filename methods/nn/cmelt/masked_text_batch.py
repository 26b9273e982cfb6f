"""The text side of a C-MELT batch: some reports are replaced by negatives, then some words are hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from methods.nn.masked_words import IGNORED, mask_words
from methods.nn.text import TextEncoder
from methods.nn.transfer import hand_over


class MaskedTextBatch(NamedTuple):
    """The texts of a batch as the text encoder reads them, and the targets of the losses."""

    ids: Tensor  # (batch, word), with some words hidden
    mask: Tensor  # (batch, word), False at padding
    labels: Tensor  # (batch, word), the hidden words, on the CPU
    report_hash: Tensor  # (batch,), of the recording's own report
    text_hash: Tensor  # (batch,), of the text that is read

    @property
    def aligned(self) -> Tensor:
        """Whether each text equals the recording's own report, ``(batch,)`` bool."""
        return self.report_hash == self.text_hash


def clean_report(report: str) -> str:
    """Clean a report as the release does.

    It becomes lower case, with ``ecg`` for ``ekg`` and without stars, dashes and equal signs at the ends.
    """
    return report.lower().strip().replace("ekg", "ecg").strip("* =-")


def replace_reports(reports: Sequence[str], negative: Callable[[Sequence[str]], list[str]], share: float) -> list[str]:
    """Replace, on average, the share `share` of the reports by what `negative` draws for them."""
    number = int(share * len(reports) + float(torch.rand(())))
    positions = torch.randperm(len(reports))[:number].tolist()
    texts = list(reports)
    for position, text in zip(positions, negative([reports[i] for i in positions]), strict=True):
        texts[position] = text
    return texts


def mask_texts(encoder: TextEncoder, reports: Sequence[str], texts: Sequence[str], ratio: float) -> MaskedTextBatch:
    """Return the batch with `texts` in place of `reports` and the share `ratio` of the words hidden.

    Only words of a recording's own report are predicted: a recording has no information on the words of another report.
    """
    ids, mask = encoder.token_ids(texts)
    hidden, labels = _hide_words(encoder, ids, ratio)
    is_other = torch.tensor([report != text for report, text in zip(reports, texts, strict=True)])
    labels = labels.masked_fill(is_other.unsqueeze(1), IGNORED)
    return _hand_over_texts(encoder.device, hidden, mask, labels, reports, texts)


def mask_texts_as_released(
    encoder: TextEncoder, reports: Sequence[str], texts: Sequence[str], ratio: float
) -> MaskedTextBatch:
    """Return the batch as the released collator builds it.

    It hides words of the original reports and overwrites the negatives with the result. Of a negative only its padding
    and its label remain.
    """
    ids, mask = (part.tensor_split([len(reports)]) for part in encoder.token_ids([*reports, *texts]))
    hidden, labels = _hide_words(encoder, ids[0], ratio)
    return _hand_over_texts(encoder.device, hidden, mask[1], labels, reports, texts)


def _hand_over_texts(
    device: torch.device, ids: Tensor, mask: Tensor, labels: Tensor, reports: Sequence[str], texts: Sequence[str]
) -> MaskedTextBatch:
    """Return the batch on `device`; its labels stay on the CPU, which knows there how many words are hidden."""
    hashes = (hand_over(_hash_texts(part), device) for part in (reports, texts))
    return MaskedTextBatch(hand_over(ids, device), hand_over(mask, device), labels, *hashes)


def _hide_words(encoder: TextEncoder, ids: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    assert encoder.mask_id is not None
    return mask_words(ids, encoder.special_ids, encoder.mask_id, encoder.vocab_size, ratio)


def _hash_texts(texts: Sequence[str]) -> Tensor:
    """Return a number per text, the same in every process, so that texts can be compared over processes."""
    digests = [blake2b(text.encode(), digest_size=8).digest() for text in texts]
    return torch.tensor([int.from_bytes(d, signed=True) for d in digests], dtype=torch.int64)
