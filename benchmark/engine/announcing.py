"""Read-ahead for trainings with windows: the chunks of the next window are read while this one is used.

The loop names the chunks that come next, and the operating system reads them into its file cache, in long pieces and
without a thread of ours. The batches are then read from there. It affects speed alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from benchmark.planning.training_config import TrainingConfig
from benchmark.planning.window_order import windows


@runtime_checkable
class Announceable(Protocol):
    """Data that can prepare for examples that will be read soon."""

    def __len__(self) -> int: ...

    def announce(self, positions: np.ndarray) -> None:
        """Prepare for reading consecutive positions soon."""


def announced(
    shards: Iterable[np.ndarray], data: object, config: TrainingConfig, epoch: int, first: int
) -> Iterator[np.ndarray]:
    """Yield `shards`, the batches of an epoch after the first `first`; before each, announce the chunks that are due.

    A chunk is due one window before its own, evenly spread over it; those of the first window are due at once.
    """
    if not config.window or not isinstance(data, Announceable):
        yield from shards
        return
    waiting = _due_chunks(len(data), config, epoch, first * config.batch_size)
    chunk = next(waiting, None)
    for number, shard in enumerate(shards, first + 1):
        while chunk is not None and chunk[0] < number * config.batch_size:
            data.announce(chunk[1])
            chunk = next(waiting, None)
        yield shard


def _due_chunks(examples: int, config: TrainingConfig, epoch: int, position: int) -> Iterator[tuple[float, np.ndarray]]:
    """Yield chunks with the position of the order at which each is due, from the window of `position` on."""
    before, start = 0, 0  # length of the window before, and where this one starts
    for chunks in windows(examples, config.window, config.chunk, config.seed, epoch):
        length = sum(map(len, chunks))
        for number, chunk in enumerate(chunks):
            if start + length > position:
                yield start - before + before * number / len(chunks), chunk
        before, start = length, start + length
