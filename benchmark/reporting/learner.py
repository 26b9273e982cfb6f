"""Adapter that lets the shared training loop train a report decoder, with or without its encoder."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from benchmark.api import Batch, Layer, Method, MethodCard, SignalSpec, TrainableMethod
from benchmark.reporting.decoder import ReportDecoder
from benchmark.reporting.recordings import encode_tokens


class Learner(nn.Module, TrainableMethod):
    """Batches hold signals for `encoder`, or tokens where there is none. `layer` and `most`: see `encode_tokens`."""

    card: ClassVar[MethodCard] = MethodCard("Report decoder", "none", "MIT")

    def __init__(self, decoder: ReportDecoder, encoder: Method | None, layer: Layer, most: int) -> None:
        super().__init__()
        self.decoder, self.encoder, self.layer, self.most = decoder, encoder, layer, most

    @property
    def signal(self) -> SignalSpec:
        return self.encoder.signal if self.encoder is not None else SignalSpec()

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the mean over what the decoder attends to, ``(batch, width)``."""
        return self.memory(ecg).mean(1)

    def memory(self, ecg: Tensor) -> Tensor:
        """Return what the decoder attends to for tokens or signals, ``(batch, token, width)``."""
        return self.decoder.memory(self.tokens(ecg))

    def tokens(self, ecg: Tensor) -> Tensor:
        """Return tokens ``(batch, token, dim)`` for tokens or signals."""
        return ecg if self.encoder is None else encode_tokens(self.encoder, ecg, self.layer, self.most)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``nll`` per token of the reports."""
        assert batch.reports is not None
        return {"nll": self.decoder.nll(self.tokens(batch.ecg), list(batch.reports))}

    def rate_groups(self, encoder_rate: float) -> list[dict[str, Any]] | None:
        """Return the decoder at the full rate and the encoder at `encoder_rate` times it; None without an encoder."""
        if not isinstance(self.encoder, nn.Module):
            return None
        decoder, encoder = [*self.decoder.parameters()], [*self.encoder.parameters()]
        return [{"params": decoder, "scale": 1.0}, {"params": encoder, "scale": encoder_rate}]
