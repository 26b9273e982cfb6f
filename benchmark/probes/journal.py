"""The journal of a search: what is finished, as lines of a plain file, so that a killed search goes on.

Resuming repeats the search from its first step with the journal's answers in place of the work. All choices
being seeded, it meets the same questions, and ends as if it had never been killed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmark.atomic import write_text


class Journal:
    """One JSON object per line; the first says which search this is. Without a path nothing is kept.

    The journal of another search (other data, options or versions) is begun anew; a line that the kill cut
    short is dropped.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, Any]) -> None:
        self.path, self._position = path, 0
        header = json.dumps(identity, sort_keys=True)
        self._known = _entries(path, header) if path else []
        if path:
            write_text(path, "".join(f"{line}\n" for line in (header, *map(json.dumps, self._known))))

    def next(self) -> dict[str, Any] | None:
        """The answer to the next question if it is known."""
        if self._position == len(self._known):
            return None
        self._position += 1
        return self._known[self._position - 1]

    def add(self, entry: dict[str, Any]) -> None:
        """Keep an answer; it is on disk when this returns."""
        self._known.append(entry)
        self._position += 1
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def _entries(path: Path, header: str) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    first, *lines = path.read_text("utf-8").split("\n")
    if first != header:
        return []
    return [json.loads(line) for line in lines[:-1]]  # what follows the last line end was cut short


def array_digest(*arrays: ArrayLike) -> str:
    """Return a digest of arrays: their values, types and shapes."""
    total = hashlib.blake2b(digest_size=16)
    for array in map(np.asarray, arrays):
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()
