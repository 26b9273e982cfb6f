"""Reading ahead of a training whose order has windows: the chunks of the next window are read while this one is used.

The loop says which chunks come next, and the system reads them into its memory, in long pieces and without a thread of
ours. The batches themselves are then read from there. For each chunk that is announced, one of the window before this
one is released, so that the system holds two windows and not all that was ever read. Nothing depends on it but speed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from benchmark.planning.training_config import TrainingConfig
from benchmark.planning.window_order import windows


@runtime_checkable
class Announceable(Protocol):
    """Data that can be told which examples will be asked for soon, and which will not be asked for again."""

    def __len__(self) -> int: ...

    def announce(self, positions: np.ndarray) -> None:
        """Take note of positions that follow each other."""

    def release(self, positions: np.ndarray) -> None:
        """Take note that positions that follow each other have served."""


def announced(
    shards: Iterable[np.ndarray], data: object, config: TrainingConfig, epoch: int, first: int
) -> Iterator[np.ndarray]:
    """Yield `shards`, the batches of an epoch after the first `first`; before each, announce the chunks that are due.

    A chunk is due one window before its own, evenly spread over it; those of the first window are due at once. It is
    released in the same way over the window after its own, so that batches which are read ahead still find it.
    """
    if not config.window or not isinstance(data, Announceable):
        yield from shards
        return
    parts = windows(len(data), config.window, config.chunk, config.seed, epoch)
    position = first * config.batch_size
    coming = ((due, data.announce, chunk) for due, chunk in _due_chunks(parts, -1, position))
    served = ((due, data.release, chunk) for due, chunk in _due_chunks(parts, 1, position))
    notices = heapq.merge(coming, served, key=lambda notice: notice[0])
    notice = next(notices, None)
    for number, shard in enumerate(shards, first + 1):
        while notice is not None and notice[0] < number * config.batch_size:
            _, tell, chunk = notice
            tell(chunk)
            notice = next(notices, None)
        yield shard


def _due_chunks(parts: list[list[np.ndarray]], distance: int, position: int) -> Iterator[tuple[float, np.ndarray]]:
    """Yield chunks with the position of the order at which each is due: that of the window at `distance` of its own.

    Those of windows that end before `position` are left out.
    """
    lengths = [sum(map(len, chunks)) for chunks in parts]
    starts = np.concatenate([[0], np.cumsum(lengths)]).tolist()
    for window, chunks in enumerate(parts):
        other = window + distance
        start, length = (starts[other], lengths[other]) if 0 <= other < len(parts) else (starts[max(other, 0)], 0)
        for number, chunk in enumerate(chunks):
            if starts[window + 1] > position:
                yield start + length * number / len(chunks), chunk
