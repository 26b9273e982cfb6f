"""The samples of a store, read from its file by position.

They are not mapped into memory. A map reads ahead around every random access (8 MB on some disks, for a recording of
120 kB), its pages count as memory of the process, and a file that is cut off ends the process without a message. A
read of a recording that the system has in memory costs two microseconds more.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import numpy as np

from benchmark.data.store.integrity import SIGNALS, damage

ITEM = np.dtype("<i2")
ADVICE = 1 << 18  # bytes of one advice: the system cuts off longer ones at a limit that depends on the disk


class SignalFile:
    """Read access to `signals.i16` of the store in `folder`; threads and forked processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor = os.open(folder / SIGNALS, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, starts: np.ndarray, count: int) -> np.ndarray:
        """Return ``(len(starts), count)`` int16: `count` samples from each of `starts` on, all counted in samples.

        Raises `DataError` where the file ends before or cannot be read.
        """
        out = np.empty((len(starts), count), ITEM)
        for first, last in _runs(starts, count):
            self._fill(out[first:last].data.cast("B"), int(starts[first]) * ITEM.itemsize)
        return out

    def announce(self, starts: np.ndarray, counts: np.ndarray) -> None:
        """Tell the system that these spans will be read soon, ascending and counted in samples; does not wait."""
        if not hasattr(os, "posix_fadvise"):  # macOS: reading is slower, and right
            return
        ends = starts + counts
        breaks = np.flatnonzero(ends[:-1] != starts[1:])
        firsts = starts[np.concatenate([[0], breaks + 1])] * ITEM.itemsize
        lasts = ends[np.concatenate([breaks, [len(starts) - 1]])] * ITEM.itemsize
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            for place in range(first, last, ADVICE):
                os.posix_fadvise(self._descriptor, place, min(ADVICE, last - place), os.POSIX_FADV_WILLNEED)

    def _fill(self, buffer: memoryview, place: int) -> None:
        while buffer:
            try:
                size = os.preadv(self._descriptor, [buffer], place)
            except OSError as error:
                raise damage(self.folder, SIGNALS, f"it cannot be read: {error}") from None
            if not size:
                raise damage(self.folder, SIGNALS, f"it ends at byte {place}, before the recordings do")
            buffer, place = buffer[size:], place + size


def _runs(starts: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Return the parts of `starts` that follow each other in the file, as first and last position (exclusive)."""
    breaks = (np.flatnonzero(np.diff(starts) != count) + 1).tolist()
    return list(zip([0, *breaks], [*breaks, len(starts)], strict=True))
