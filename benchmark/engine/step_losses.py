"""The numbers of a training step on their way from the device, so that no step waits for the one before it.

Reading a number from a GPU waits until all that was started there has ended. A copy into pinned memory is queued behind
the step instead, and read when the next step has been started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.api import Batch
from benchmark.engine.prefetch import on_gpu


class Numbers(NamedTuple):
    """The mean losses of a step over all processes, the norm of its gradient, and whether any was asked to stop."""

    losses: dict[str, float]
    norm: float
    stop: bool


@dataclass(frozen=True)
class StepLosses:
    """Numbers that may not have arrived yet, with what an error about them has to name."""

    step: int
    batches: list[Batch]
    names: tuple[str, ...]
    values: Tensor  # on the CPU: the losses, the flag of a stop, the norm
    arrival: torch.cuda.Event | None

    @classmethod
    def send(
        cls, step: int, batches: list[Batch], names: tuple[str, ...], values: Tensor, norm: Tensor, device: str
    ) -> StepLosses:
        """Queue the copy of `values` (losses, then the flag of a stop) and `norm`; return without waiting."""
        together = torch.cat([values.detach(), norm.detach().reshape(1).to(values)])
        if not on_gpu(device):
            return cls(step, batches, names, together, None)
        copy = together.to("cpu", non_blocking=True)
        arrival = torch.cuda.Event()
        arrival.record()
        return cls(step, batches, names, copy, arrival)

    def read(self) -> Numbers:
        """Return the numbers; wait for them where they have not arrived."""
        if self.arrival is not None:
            self.arrival.synchronize()
        *losses, stop, norm = self.values.tolist()
        return Numbers(dict(zip(self.names, losses, strict=True)), norm, stop > 0)
