"""Arrays in sealed .npy files: written without a memory map, verified, then mapped for reading.

A map of a file on a full disk ends the process by a bus error; a write is refused, and says so.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.cache.checksums import DamagedFileError, Say, log, seal, usable
from benchmark.disk import allocate

BLOCK = 1 << 22  # values looked at together


class ArrayWriter:
    """A .npy file that is written row by row: ``writer[start:stop] = rows``, or an array of rows for the slice.

    The room is taken at once, so that hours of work do not end in a full disk.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.path, self.dtype = path, np.dtype(dtype)
        self._row_bytes = math.prod(shape[1:]) * self.dtype.itemsize
        self._file = path.open("wb", buffering=0)
        descriptor = np.lib.format.dtype_to_descr(self.dtype)
        header = {"descr": descriptor, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start = self._file.tell()
        allocate(self._file.fileno(), self._start + shape[0] * self._row_bytes)

    def __setitem__(self, rows: slice | np.ndarray, values: np.ndarray) -> None:
        if isinstance(rows, slice):
            self._write(rows.start, values)
            return
        ends = np.flatnonzero(np.diff(rows) != 1) + 1  # of runs of neighbours
        for start, part in zip(np.split(rows, ends), np.split(values, ends), strict=True):
            self._write(int(start[0]), part)

    def finish(self) -> np.memmap:
        """Close and seal the file; return its array, memory-mapped."""
        self._file.close()
        seal(self.path)
        return read_array(self.path)

    def _write(self, start: int, values: np.ndarray) -> None:
        self._file.seek(self._start + start * self._row_bytes)
        rest = np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8).data
        while rest:
            rest = rest[self._file.write(rest) :]  # a disk that is nearly full takes a part


def is_usable(path: Path, rows: int, say: Say = log) -> bool:
    """Whether a file holds a complete array of `rows` rows. A damaged file is reported and moved away."""
    return usable(path, lambda sealed: _check(path, rows, sealed), say)


def read_array(path: Path) -> np.memmap:
    """Return the array of a file that is usable, read-only and memory-mapped."""
    return np.lib.format.open_memmap(path, mode="r")


def _check(path: Path, rows: int, sealed: bool) -> None:
    try:
        array = read_array(path)
    except (ValueError, EOFError, OSError) as error:
        raise DamagedFileError(f"it holds no array: {error}") from None
    if not array.ndim or len(array) != rows:
        raise DamagedFileError(f"it is an array {array.shape}, not one of {rows} rows")
    if sealed:
        return
    if path.stat().st_size != array.offset + array.nbytes:
        raise DamagedFileError(f"it has {path.stat().st_size} bytes, its header says {array.offset + array.nbytes}")
    flat = array.reshape(-1)
    if not all(np.isfinite(flat[start : start + BLOCK]).all() for start in range(0, flat.size, BLOCK)):
        raise DamagedFileError("it holds NaN or infinite values")
