"""The journal of a search: its finished steps as lines of a plain file, so that a killed search resumes.

Resuming repeats the search from its first step, with the journal's results in place of the work. All choices are
seeded, so the search takes the same steps and ends as if it had never been killed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmark.atomic import write_bytes
from benchmark.cache import lines
from benchmark.cache.checksums import DamagedFileError, Say, dismiss, log, read_bytes
from benchmark.disk import disk_errors


class Journal:
    """One JSON object per line; the first identifies the search. Without a path nothing is kept.

    A journal of another search (other data, options or versions) is replaced. Of a damaged journal the lines before the
    damage count, and `say` is told; a line that the kill cut short is dropped.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, Any], say: Say = log) -> None:
        self.path, self._position = path, 0
        self._results: list[dict[str, Any]] = []
        if path:
            header = json.loads(json.dumps(identity))
            self._results = _read_results(path, header, say)
            content, self._checksum = lines.encode([header, *self._results])
            write_bytes(path, content)

    def next(self) -> dict[str, Any] | None:
        """Return the result of the next step if the journal has it, else None."""
        if self._position == len(self._results):
            return None
        self._position += 1
        return self._results[self._position - 1]

    def add(self, entry: dict[str, Any]) -> None:
        """Append a result; it is on disk when this returns."""
        self._results.append(entry)
        self._position += 1
        if self.path:
            line, self._checksum = lines.encode([entry], self._checksum)
            with disk_errors(self.path), self.path.open("ab") as file:
                file.write(line)


def _read_results(path: Path, header: dict[str, Any], say: Say) -> list[dict[str, Any]]:
    """Return the trustworthy results of a journal of this search."""
    try:
        content = lines.decode(read_bytes(path))
    except FileNotFoundError:
        return []
    except DamagedFileError as error:
        dismiss(path, error, say)
        return []
    first, *results = content.entries or [{}]
    is_ours = first == header
    if content.damaged and (is_ours or not content.entries):
        say(f"{path} is damaged in line {len(content.entries) + 1}: the search goes on from what stands before it")
    return results if is_ours else []


def array_digest(*arrays: ArrayLike) -> str:
    """Return a digest of arrays: their values, types and shapes."""
    total = hashlib.blake2b(digest_size=16)
    for array in map(np.asarray, arrays):
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()
