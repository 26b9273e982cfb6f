"""The base class of encoders of recordings, by which `methods.nn.fold` finds them inside a method."""

from __future__ import annotations

from torch import nn


class Encoder(nn.Module):
    """An encoder that may run in another precision: it takes float32 recordings and returns float32."""
