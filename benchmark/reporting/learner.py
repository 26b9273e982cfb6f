"""A decoder with the encoder that feeds it, as the shared training loop takes it; and what it learns from.

A frozen encoder's tokens are computed once and read from the cache; one that goes on learning gets signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.api import AlignedMethod, Batch, Method, MethodCard, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.engine.features import Layer, shortened
from benchmark.reporting.decoder import ReportDecoder


class Recordings(Protocol):
    """Recordings as a learner takes them: tokens ``(batch, token, dim)``, or signals ``(batch, lead, time)``."""

    def __len__(self) -> int: ...

    def batch(self, positions: np.ndarray) -> Tensor: ...


class Signals:
    """Signals of a split without their labels."""

    def __init__(self, signals: Any) -> None:
        self.signals = signals

    def __len__(self) -> int:
        return len(self.signals)

    def batch(self, positions: np.ndarray) -> Tensor:
        """``(len(positions), lead, time)``"""
        return self.signals.batch(positions).ecg


class Shortened:
    """Token sequences, each brought down to `most` tokens."""

    def __init__(self, recordings: Recordings, most: int) -> None:
        self.recordings, self.most = recordings, most

    def __len__(self) -> int:
        return len(self.recordings)

    def batch(self, positions: np.ndarray) -> Tensor:
        """``(len(positions), token, dim)``"""
        return shortened(self.recordings.batch(positions), self.most)


class Encoded:
    """Signals as an encoder sees them now, computed when asked for."""

    def __init__(self, signals: Recordings, encoder: Method, layer: Layer, most: int, device: str) -> None:
        self.signals, self.encoder, self.layer, self.most, self.device = signals, encoder, layer, most, device

    def __len__(self) -> int:
        return len(self.signals)

    def batch(self, positions: np.ndarray) -> Tensor:
        """``(len(positions), token, dim)``"""
        with torch.inference_mode():
            return tokens_of(self.encoder, self.signals.batch(positions).to(self.device), self.layer, self.most).cpu()


class Pairs:
    """Recordings with their reports: the training data of the loop. Those at `rows` of `recordings` have one."""

    def __init__(self, recordings: Recordings, rows: np.ndarray, reports: Sequence[str], ids: Sequence[str]) -> None:
        self.recordings, self.rows, self.reports, self.ids = recordings, rows, list(reports), list(ids)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: np.ndarray) -> Batch:
        rows = self.rows[positions]
        texts = [self.reports[row] for row in rows]
        return Batch(self.recordings.batch(rows), [self.ids[row] for row in rows], texts)


class Learner(nn.Module, TrainableMethod):
    """The decoder, and below it an encoder to be trained, or none: then batches hold tokens already."""

    card: ClassVar[MethodCard] = MethodCard("Report decoder", "none", "MIT")

    def __init__(self, decoder: ReportDecoder, encoder: Method | None, layer: Layer, most: int) -> None:
        super().__init__()
        self.decoder, self.encoder, self.layer, self.most = decoder, encoder, layer, most

    @property
    def signal(self) -> SignalSpec:
        return self.encoder.signal if self.encoder is not None else SignalSpec()

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Mean over what the decoder attends to: ``(batch, ...)`` -> ``(batch, width)``."""
        return self.memory(ecg).mean(1)

    def memory(self, ecg: Tensor) -> Tensor:
        """Tokens or signals -> what the decoder attends to, ``(batch, token, width)``."""
        return self.decoder.memory(ecg if self.encoder is None else tokens_of(self.encoder, ecg, self.layer, self.most))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """``nll``, per token of the reports."""
        assert batch.reports is not None
        ecg = batch.ecg if self.encoder is None else tokens_of(self.encoder, batch.ecg, self.layer, self.most)
        return {"nll": self.decoder.nll(ecg, list(batch.reports))}

    def rate_groups(self, encoder_rate: float) -> list[dict[str, Any]]:
        """The decoder at the full rate, the encoder at `encoder_rate` times it."""
        groups: list[dict[str, Any]] = [{"params": [*self.decoder.parameters()], "scale": 1.0}]
        if isinstance(self.encoder, nn.Module):
            groups.append({"params": [*self.encoder.parameters()], "scale": encoder_rate})
        return groups


def tokens_of(method: Method, ecg: Tensor, layer: Layer, most: int) -> Tensor:
    """``(batch, lead, time)`` -> ``(batch, token, dim)``: a method's tokens, at most `most`, or one vector as one."""
    if layer == "short_sequence":
        assert isinstance(method, SequenceMethod)  # the task has checked it
        return shortened(method.ecg_tokens(ecg).float(), most)
    if layer == "embeddings":
        assert isinstance(method, AlignedMethod)
        return method.ecg_embeddings(ecg).float()[:, None]
    return method.ecg_features(ecg).float()[:, None]


def statistics(recordings: Recordings, most: int = 2048) -> tuple[Tensor, Tensor, int]:
    """Mean and standard deviation of every channel over the first `most` recordings, and the number of tokens."""
    first = torch.cat([recordings.batch(part) for part in np.array_split(np.arange(min(most, len(recordings))), 8) if len(part)])
    flat = first.flatten(0, 1)
    std = flat.std(0, correction=0)
    return flat.mean(0), torch.where(std <= 1e-6 * flat.mean(0).abs() + 1e-12, 1.0, std), first.shape[1]
