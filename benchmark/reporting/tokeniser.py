"""Tokenisers of reports: a byte-pair tokeniser learnt from the training reports, or a published one.

Byte-level BPE: Radford et al., "Language Models are Unsupervised Multitask Learners" (GPT-2), 2019. DERI's release adds
[BOS] and [PAD] to GPT-2's vocabulary and keeps its <|endoftext|> as the end of a text; so does this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import UsageError

PAD, BOS, EOS = "[PAD]", "[BOS]", "[EOS]"
ALPHABET = 256
SMALLEST = ALPHABET + 3


@dataclass(frozen=True)
class ReportTokeniser:
    """Wrapper of a ``tokenizers.Tokenizer``; at most `most` tokens of a text are kept, including its end."""

    library: Any
    pad: int
    bos: int
    eos: int
    most: int

    @property
    def size(self) -> int:
        return int(self.library.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return ids ``(text, token)``: BOS, the text, EOS, padding; a text that is too long is cut and has no EOS."""
        rows = [[self.bos, *row.ids, self.eos][: self.most + 1] for row in self._encode_all(texts)]
        ids = torch.full((len(rows), max(map(len, rows))), self.pad)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
        return ids

    def count_too_long(self, texts: Sequence[str]) -> int:
        """Return how many of the texts `encode` cuts."""
        return sum(len(row.ids) + 1 > self.most for row in self._encode_all(texts))

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each row of ids, up to its EOS, with single blanks."""
        own = [[token for token in self.up_to_end(row) if token not in (self.pad, self.bos, self.eos)] for row in rows]
        return [" ".join(text.split()) for text in self.library.decode_batch(own, skip_special_tokens=True)]

    def up_to_end(self, row: Sequence[int]) -> Sequence[int]:
        """Return a text's own ids including its EOS; ids after it are padding."""
        return row[: row.index(self.eos) + 1] if self.eos in row else row

    def _encode_all(self, texts: Sequence[str]) -> list[Any]:
        return list(self.library.encode_batch(list(texts), add_special_tokens=False))


def learn_tokeniser(reports: Sequence[str], size: int, most: int) -> ReportTokeniser:
    """Learn byte-level BPE of at most `size` tokens: it can encode any text, and equal reports give equal ones."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    if size < SMALLEST:
        raise UsageError(f"vocabulary is {size}; {ALPHABET} bytes and 3 special tokens need {SMALLEST}")
    library = Tokenizer(models.BPE())
    library.normalizer = normalizers.NFC()
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    library.train_from_iterator(reports, trainer)
    pad, bos, eos = (int(library.token_to_id(name) or 0) for name in (PAD, BOS, EOS))
    return ReportTokeniser(library, pad, bos, eos, most)


def published_tokeniser(published: Any, most: int) -> ReportTokeniser:
    """Return the tokeniser of a published decoder, as transformers gives it, with [BOS] and [PAD] added."""
    library = published.backend_tokenizer
    library.add_special_tokens([BOS, PAD])
    return ReportTokeniser(library, library.token_to_id(PAD), library.token_to_id(BOS), published.eos_token_id, most)
