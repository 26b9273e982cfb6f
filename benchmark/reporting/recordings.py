"""What a report decoder gets of recordings: a frozen encoder's cached tokens, or signals for one that learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from benchmark.api import AlignedMethod, Batch, Layer, Method, SequenceMethod, SplitBatches
from benchmark.canonical import digest
from benchmark.layers import shortened

SAMPLE = 2048  # recordings that mean and standard deviation are taken from
READ = 256


class Recordings(Protocol):
    """Tokens ``(batch, token, dim)`` or signals ``(batch, lead, time)``, read when asked for."""

    def __len__(self) -> int: ...

    def batch(self, positions: np.ndarray) -> Tensor: ...


class Signals:
    """Signals of a split without their labels."""

    def __init__(self, signals: SplitBatches) -> None:
        self.signals = signals

    def __len__(self) -> int:
        return len(self.signals)

    def batch(self, positions: np.ndarray) -> Tensor:
        """``(len(positions), lead, time)``"""
        return self.signals.batch(positions).ecg


class ShortenedTokens:
    """Token sequences, each brought down to `most` tokens."""

    def __init__(self, recordings: Recordings, most: int) -> None:
        self.recordings, self.most = recordings, most

    def __len__(self) -> int:
        return len(self.recordings)

    def batch(self, positions: np.ndarray) -> Tensor:
        """``(len(positions), token, dim)``"""
        return shortened(self.recordings.batch(positions), self.most)


class EncodedSignals:
    """Signals as an encoder sees them now."""

    def __init__(self, signals: Recordings, encoder: Method, layer: Layer, most: int, device: str) -> None:
        self.signals, self.encoder, self.layer, self.most, self.device = signals, encoder, layer, most, device

    def __len__(self) -> int:
        return len(self.signals)

    def batch(self, positions: np.ndarray) -> Tensor:
        """``(len(positions), token, dim)``, on the CPU."""
        with torch.no_grad():
            return tokens_of(self.encoder, self.signals.batch(positions).to(self.device), self.layer, self.most).cpu()


class Pairs:
    """Recordings with their reports, for the training loop; those at `rows` have one."""

    def __init__(self, recordings: Recordings, reports: Sequence[str], ids: Sequence[str]) -> None:
        self.recordings, self.reports, self.ids = recordings, list(reports), list(ids)
        self.rows = np.flatnonzero([bool(text.strip()) for text in reports])

    @property
    def digest(self) -> str:
        """Of ids and reports; what the recordings are made of is part of the name of a decoder's file."""
        return digest([self.ids, self.reports])

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: np.ndarray) -> Batch:
        rows = self.rows[positions]
        texts = [self.reports[row] for row in rows]
        return Batch(self.recordings.batch(rows), [self.ids[row] for row in rows], texts)

    @property
    def texts(self) -> list[str]:
        """The reports that there are."""
        return [self.reports[row] for row in self.rows]


def tokens_of(method: Method, ecg: Tensor, layer: Layer, most: int) -> Tensor:
    """``(batch, lead, time)`` -> ``(batch, token, dim)``: a method's tokens, at most `most`, or one vector as one."""
    if layer == "short_sequence":
        assert isinstance(method, SequenceMethod)  # the task has checked it
        return shortened(method.ecg_tokens(ecg).float(), most)
    if layer == "embeddings":
        assert isinstance(method, AlignedMethod)
        return method.ecg_embeddings(ecg).float()[:, None]
    return method.ecg_features(ecg).float()[:, None]


def channel_statistics(recordings: Recordings) -> tuple[Tensor, Tensor, int]:
    """Mean and standard deviation of every channel, ``(dim,)``, and the tokens of a recording; from the first ones."""
    rows = np.arange(min(SAMPLE, len(recordings)))
    first = torch.cat([recordings.batch(rows[start : start + READ]) for start in range(0, len(rows), READ)])
    flat = first.flatten(0, 1)
    mean, std = flat.mean(0), flat.std(0, correction=0)
    return mean, torch.where(std <= 1e-6 * mean.abs() + 1e-12, 1.0, std), first.shape[1]
