"""Walk a folder in an order that every machine has, without holding the whole tree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path


def find_files(root: Path, pattern: str) -> Iterator[Path]:
    """Files under `root` whose whole name matches the regular expression, folder by folder in order of their names."""
    matches = re.compile(pattern).fullmatch
    for folder, folders, names in os.walk(root, followlinks=True):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names) if matches(name))
