"""Writing of files and folders in one move, so that a kill leaves nothing that a later run takes for complete.

Failures of a disk are `DiskError`. Leftovers of a kill are removed by the next run (`benchmark.leftovers`).
"""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.disk import disk_errors


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on failure it is removed."""
    temporary = temporary_path(path)
    with disk_errors(path, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def temporary_path(path: Path) -> Path:
    """Return a name beside `path` that begins with a dot and names the machine and the process that write it."""
    return path.parent / f".{path.stem}.{machine()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"


@functools.cache
def machine() -> str:
    """Return eight hex digits for this machine, or this container on it: within it a process has one number."""
    try:
        numbers = str(os.stat("/proc/self/ns/pid").st_ino)  # noqa: PTH116 (a link to what is no path)
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]
