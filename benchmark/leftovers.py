"""Removal of half-written files of killed runs from a home, but of nothing that another process is writing.

A temporary file or folder is named after the machine and the process that writes it (`benchmark.atomic`). From
this machine it is a leftover once that process has ended. From another machine, or from older code, which named no
machine, it is one when nothing in it has changed for a day.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmark.atomic import machine
from benchmark.paths import Home

NAME = re.compile(r"\..+\.(?:(?P<machine>[0-9a-f]{8})-)?(?P<process>\d+)-[0-9a-f]{8}(?:\.\w+)?")
DAY = 86400.0  # seconds


def remove_leftovers(home: Home) -> list[Path]:
    """Remove leftovers and return the removed ones; those that cannot be removed stay.

    Call this before the process writes anything itself.
    """
    return [path for folder in _folders(home) for path in _leftovers(folder) if _removed(path)]


def _folders(home: Home) -> Iterator[Path]:
    """Yield the folders in which something is written in one move."""
    flat = (home.root, home.features, home.fingerprints, home.subsets, home.decoders, home.slurm)
    yield from flat
    yield home.slurm / "code"
    for above in (home.data, home.pretrained, home.scratch, home.slurm, home.leaderboards, home.records):
        yield above
        yield from _within(above)
    for task in _within(home.records):
        yield from _within(task)


def _within(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return []


def _leftovers(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.name.startswith(".") and _is_left_over(entry)]
    return []


def _is_left_over(entry: os.DirEntry[str]) -> bool:
    name = NAME.fullmatch(entry.name)
    if name is None:
        return False
    if name["machine"] == machine():
        return not _is_another_at_work(int(name["process"]))
    return time.time() - _last_change(Path(entry.path)) > DAY


def _last_change(path: Path) -> float:
    """Return the time of the last change of a file, or of anything in a folder; now, if it has just vanished."""
    try:
        inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
        return max(one.lstat().st_mtime for one in (path, *inside))
    except OSError:
        return time.time()


def _is_another_at_work(process: int) -> bool:
    if process == os.getpid():  # a container that is started again gives its first process the same number
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it belongs to somebody else
    return True


def _removed(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
