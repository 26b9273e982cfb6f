"""A decoder, with the encoder below it where that learns too, as the shared training loop takes it."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from benchmark.api import Batch, Layer, Method, MethodCard, SignalSpec, TrainableMethod
from benchmark.reporting.decoder import ReportDecoder
from benchmark.reporting.recordings import tokens_of


class Learner(nn.Module, TrainableMethod):
    """Batches hold signals for `encoder`, or where there is none, tokens. `layer` and `most`: see `tokens_of`."""

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
        return self.decoder.memory(self.tokens(ecg))

    def tokens(self, ecg: Tensor) -> Tensor:
        """Tokens or signals -> ``(batch, token, dim)``."""
        return ecg if self.encoder is None else tokens_of(self.encoder, ecg, self.layer, self.most)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """``nll``, per token of the reports."""
        assert batch.reports is not None
        return {"nll": self.decoder.nll(self.tokens(batch.ecg), list(batch.reports))}

    def rate_groups(self, encoder_rate: float) -> list[dict[str, Any]] | None:
        """The decoder at the full rate, the encoder at `encoder_rate` times it; None where there is no encoder."""
        if not isinstance(self.encoder, nn.Module):
            return None
        decoder, encoder = [*self.decoder.parameters()], [*self.encoder.parameters()]
        return [{"params": decoder, "scale": 1.0}, {"params": encoder, "scale": encoder_rate}]
