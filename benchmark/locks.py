"""Locks on names: one run at a time works on a cell; a second one takes the next cell and comes back.

The operating system locks a file of the home, and releases it when the process that holds it ends, for whatever
reason. On a file system without locks no run excludes another from a cell, and the store keeps the first record.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


@contextmanager
def locked(folder: Path, key: str) -> Iterator[bool]:
    """Yield whether this process holds the lock `key` within the context; False where another one does."""
    path = f"{folder}/{key}"  # text: every cell comes here, and a Path costs more than the call
    handle = _take(path)
    if handle is None:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 (as above); while we hold it: a process that opened it meanwhile notices, and opens a new one
        os.close(handle)


def _take(path: str) -> int | None:
    while True:
        handle = _open_or_make(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                return handle
            os.close(handle)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise
        if _is_same(handle, path):
            return handle
        os.close(handle)  # removed by the run that held it, between our opening and our lock


def _open_or_make(path: str) -> int:
    """Open the file of a lock; create it and its folder if they do not exist."""
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _is_same(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))  # noqa: PTH116 (as above)
    except FileNotFoundError:
        return False


def keys_held(folder: Path) -> list[str]:
    """Return the keys that some process holds now."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (names are all that is wanted)
    except OSError:
        return []
    return [name for name in names if _is_held(folder / name)]


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(handle)
    return False
