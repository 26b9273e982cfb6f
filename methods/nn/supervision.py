"""End-to-end learning from labels: an output layer per task, random crops, one sigmoid per class."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.augment import random_crop

if TYPE_CHECKING:
    from benchmark.api import Batch


class Supervision(nn.Module):
    """Mix-in for supervised methods with an encoder.

    A subclass defines its output layer and the class scores computed from it.
    """

    crop: int = 0  # samples of a training crop; 0: whole recordings

    def __init__(self, *encoder: Any) -> None:
        super().__init__(*encoder)
        self.head: nn.Module | None = None

    @abstractmethod
    def output_layer(self, classes: int) -> nn.Module:
        """Build a new output layer for `classes` classes."""

    @abstractmethod
    def class_scores(self, ecg: Tensor) -> Tensor:
        """Return logits: ``(batch, lead, time)`` -> ``(batch, class)``."""

    def start_task(self, classes: int) -> None:
        """Attach a new output layer. The encoder keeps its weights, so build a new method for each subset."""
        self.head = self.output_layer(classes).to(next(self.parameters()).device)

    def require_head(self) -> nn.Module:
        """Return the output layer; raises RuntimeError before `start_task`."""
        if self.head is None:
            raise RuntimeError("there is no output layer yet: call start_task(classes) before training or loading")
        return self.head

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the binary cross-entropy, mean over recordings and classes (``bce``)."""
        if batch.labels is None:
            raise ValueError("supervised training learns from labels: this batch has none")
        # float32 even under autocast
        logits = self.class_scores(random_crop(batch.ecg, self.crop)).float()
        return {"bce": F.binary_cross_entropy_with_logits(logits, batch.labels.float())}


def count_crop_samples(crop_seconds: float, seconds: float, rate: float) -> int:
    """Return the samples of a training crop, 0 for none; raises ValueError when it does not fit."""
    if not 0 <= crop_seconds <= seconds:
        raise ValueError(f"crop_seconds = {crop_seconds} must lie between 0 (none) and {seconds} s")
    return round(crop_seconds * rate)
