"""Inputs of a report decoder: the cached tokens of a frozen encoder, or signals for one that is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from benchmark.api import AlignedMethod, Batch, Layer, Method, SequenceMethod, SplitBatches
from benchmark.canonical import digest
from benchmark.layers import shortened

SAMPLE = 2048  # recordings for mean and standard deviation
BATCH = 256


class Recordings(Protocol):
    """Tokens ``(batch, token, dim)`` or signals ``(batch, lead, time)``, read batch by batch."""

    def __len__(self) -> int: ...

    def batch(self, positions: np.ndarray) -> Tensor: ...


class Signals:
    """Signals of a split without their labels."""

    def __init__(self, signals: SplitBatches) -> None:
        self.signals = signals

    def __len__(self) -> int:
        return len(self.signals)

    def batch(self, positions: np.ndarray) -> Tensor:
        """Return ``(len(positions), lead, time)``."""
        return self.signals.batch(positions).ecg


class ShortenedTokens:
    """Token sequences, each shortened to `most` tokens."""

    def __init__(self, recordings: Recordings, most: int) -> None:
        self.recordings, self.most = recordings, most

    def __len__(self) -> int:
        return len(self.recordings)

    def batch(self, positions: np.ndarray) -> Tensor:
        """Return ``(len(positions), token, dim)``."""
        return shortened(self.recordings.batch(positions), self.most)


class EncodedSignals:
    """Signals encoded by the current state of an encoder."""

    def __init__(self, signals: Recordings, encoder: Method, layer: Layer, most: int, device: str) -> None:
        self.signals, self.encoder, self.layer, self.most, self.device = signals, encoder, layer, most, device

    def __len__(self) -> int:
        return len(self.signals)

    def batch(self, positions: np.ndarray) -> Tensor:
        """Return ``(len(positions), token, dim)``, on the CPU."""
        with torch.no_grad():
            ecg = self.signals.batch(positions).to(self.device)
            return encode_tokens(self.encoder, ecg, self.layer, self.most).cpu()


class Pairs:
    """Recordings with their reports, for the training loop; those at `rows` have a report."""

    def __init__(self, recordings: Recordings, reports: Sequence[str], ids: Sequence[str]) -> None:
        self.recordings, self.reports, self.ids = recordings, list(reports), list(ids)
        self.rows = np.flatnonzero([bool(text.strip()) for text in reports])

    @property
    def digest(self) -> str:
        """Return the digest of ids and reports; the file name of a decoder covers what the recordings are made of."""
        return digest([self.ids, self.reports])

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: np.ndarray) -> Batch:
        rows = self.rows[positions]
        texts = [self.reports[row] for row in rows]
        return Batch(self.recordings.batch(rows), [self.ids[row] for row in rows], texts)

    @property
    def texts(self) -> list[str]:
        """Return the reports that are not empty."""
        return [self.reports[row] for row in self.rows]


def encode_tokens(method: Method, ecg: Tensor, layer: Layer, most: int) -> Tensor:
    """Return a method's tokens for ``(batch, lead, time)``: ``(batch, token, dim)``.

    There are at most `most` tokens; a layer with one vector per recording gives one token.
    """
    if layer == "short_sequence":
        assert isinstance(method, SequenceMethod)  # the task checks it
        return shortened(method.ecg_tokens(ecg).float(), most)
    if layer == "embeddings":
        assert isinstance(method, AlignedMethod)
        return method.ecg_embeddings(ecg).float()[:, None]
    return method.ecg_features(ecg).float()[:, None]


def channel_statistics(recordings: Recordings) -> tuple[Tensor, Tensor, int]:
    """Return mean and standard deviation of every channel, ``(dim,)``, and the number of tokens per recording.

    They come from the first recordings.
    """
    rows = np.arange(min(SAMPLE, len(recordings)))
    first = torch.cat([recordings.batch(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)])
    flat = first.flatten(0, 1)
    mean, std = flat.mean(0), flat.std(0, correction=0)
    return mean, torch.where(std <= 1e-6 * mean.abs() + 1e-12, 1.0, std), first.shape[1]
