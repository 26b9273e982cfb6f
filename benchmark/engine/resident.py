"""Training data that is read once and kept on the device, in the form in which batches hold it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.api import Batch
from benchmark.engine.prefetch import on_gpu
from benchmark.engine.training_data import TrainingData
from benchmark.errors import UsageError

BLOCK = 512  # recordings read at a time
LARGEST_SHARE = 0.5  # of the memory that is free on a GPU; the step needs the rest


class ResidentData:
    """The examples of `data` with signals that lie on `device`; batches are equal to those of `data`, bit by bit.

    Each process keeps all of them. Raises `UsageError` where they do not fit.
    """

    def __init__(self, data: TrainingData, device: str) -> None:
        self.data, self.device = data, device
        first = data.batch(np.arange(1)).ecg
        _refuse_too_large(len(data) * first.nbytes, device)
        self.ecg = torch.empty((len(data), *first.shape[1:]), dtype=first.dtype, device=device)
        self.others: list[Batch] = []  # everything but signals, one recording each
        for start in range(0, len(data), BLOCK):
            batch = data.batch(np.arange(start, min(start + BLOCK, len(data))))
            self.ecg[start : start + BLOCK] = batch.ecg
            self.others += _split(batch)

    @property
    def digest(self) -> str:
        return self.data.digest

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, positions: np.ndarray) -> Batch:
        """Return the examples at `positions`, signals on the device."""
        index = torch.from_numpy(positions)
        index = index.pin_memory() if on_gpu(self.device) else index  # a copy that waits would stop the step at work
        ecg = self.ecg[index.to(self.device, non_blocking=True)]
        others = [self.others[position] for position in positions]
        reports = [report for other in others for report in other.reports or ()]
        labels = [other.labels for other in others if other.labels is not None]
        ids = [name for other in others for name in other.record_ids]
        return Batch(ecg, ids, reports or None, torch.cat(labels) if labels else None)


def _split(batch: Batch) -> list[Batch]:
    """Return the recordings of a batch one by one, without their signals."""
    no_signal: Tensor = batch.ecg[:0]
    return [
        Batch(
            no_signal,
            [name],
            None if batch.reports is None else [batch.reports[row]],
            None if batch.labels is None else batch.labels[row : row + 1],
        )
        for row, name in enumerate(batch.record_ids)
    ]


def _refuse_too_large(size: int, device: str) -> None:
    if not on_gpu(device):
        return
    free = torch.cuda.mem_get_info(torch.device(device))[0]
    if size > LARGEST_SHARE * free:
        raise UsageError(
            f"resident = true needs {size / 1e9:.1f} GB on {device} for its recordings, and may take half of the "
            f"{free / 1e9:.1f} GB that are free; leave the option out, and batches are read ahead"
        )
