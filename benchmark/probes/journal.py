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

from benchmark.atomic import write_bytes
from benchmark.cache import lines
from benchmark.cache.checksums import DamagedFileError, Say, dismiss, log, read_bytes
from benchmark.disk import disk_errors


class Journal:
    """One JSON object per line; the first says which search this is. Without a path nothing is kept.

    The journal of another search (other data, options or versions) is begun anew. Of a damaged one the lines before the
    damage count, which `say` hears; a line that the kill cut short is dropped.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, Any], say: Say = log) -> None:
        self.path, self._position = path, 0
        self._entries: list[dict[str, Any]] = []
        if path:
            header = json.loads(json.dumps(identity))
            self._entries = _answers(path, header, say)
            text, self._checksum = lines.encode([header, *self._entries])
            write_bytes(path, text)

    def next(self) -> dict[str, Any] | None:
        """The answer to the next question if it is known."""
        if self._position == len(self._entries):
            return None
        self._position += 1
        return self._entries[self._position - 1]

    def add(self, entry: dict[str, Any]) -> None:
        """Keep an answer; it is on disk when this returns."""
        self._entries.append(entry)
        self._position += 1
        if self.path:
            line, self._checksum = lines.encode([entry], self._checksum)
            with disk_errors(self.path), self.path.open("ab") as file:
                file.write(line)


def _answers(path: Path, header: dict[str, Any], say: Say) -> list[dict[str, Any]]:
    """Return the answers of a journal of this search that can be trusted."""
    try:
        content = lines.decode(read_bytes(path))
    except FileNotFoundError:
        return []
    except DamagedFileError as error:
        dismiss(path, error, say)
        return []
    first, *answers = content.entries or [{}]
    ours = first == header
    if content.damaged and (ours or not content.entries):
        say(f"{path} is damaged in line {len(content.entries) + 1}: the search goes on from what stands before it")
    return answers if ours else []


def array_digest(*arrays: ArrayLike) -> str:
    """Return a digest of arrays: their values, types and shapes."""
    total = hashlib.blake2b(digest_size=16)
    for array in map(np.asarray, arrays):
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()
