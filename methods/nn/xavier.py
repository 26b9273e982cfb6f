"""Xavier initialisation of linear layers, as masked auto-encoders use it."""

from __future__ import annotations

from torch import nn


def init_xavier(module: nn.Module) -> None:
    """Give a linear layer Xavier-uniform weights and biases of 0 (for ``module.apply``)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
