"""Read the next batch while the device works on this one: a GPU waits for signals otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def read_ahead(read: Callable[[Item], Found], items: Iterable[Item], device: str) -> Iterator[Found]:
    """``map(read, items)``, one item ahead in a thread of its own; on a CPU, whose cores are busy anyway, not ahead.

    `read` must not draw random numbers: those belong to the steps. Its errors are raised where the result is taken.
    """
    if not device.startswith("cuda"):
        yield from map(read, items)
        return
    with ThreadPoolExecutor(1) as reader:
        waiting = None
        for item in chain(items, [None]):
            coming = None if item is None else reader.submit(read, item)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
