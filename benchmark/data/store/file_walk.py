"""A walk through a folder in the same order on every machine, without the whole tree in memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path


def find_files(root: Path, pattern: str) -> Iterator[Path]:
    """Yield files under `root` whose whole name matches the regular expression, folder by folder, sorted by name."""
    matches = re.compile(pattern).fullmatch
    for folder, folders, names in os.walk(root, followlinks=True):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names) if matches(name))
