"""Checksums for files that can be made anew, so that a reader notices damage by a disk, a copy or a killed process.

A binary file ends with its seal: a line of fixed length with the CRC-32 and the number of the bytes before it. Other
readers ignore the seal, since these formats (.npy, torch's zip) state where they end. CRC-32 protects against
accidents, not against forgery. It takes 0.3 to 0.4 s per GB, a quarter of the time of SHA-256.

Size and time of writing prove nothing: after a power cut both may be right and the content zeros. A process reads the
whole file before its first use, and again when its size, times or inode have changed.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import re
import secrets
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmark.canonical import file_sha256
from benchmark.errors import BenchmarkError

Say = Callable[[str], None]

log: Say = logging.getLogger("ecgarena").warning  # on standard error, for readers that have no sink of events
SEAL = "\nsealed: crc32 {:08x} of {:016d} bytes\n"
SEAL_BYTES = len(SEAL.format(0, 0))
SET_ASIDE = ".set-aside"
BLOCK = 1 << 20  # bytes read at a time
_PATTERN = re.compile(rb"\nsealed: crc32 ([0-9a-f]{8}) of (\d{16}) bytes\n")
_UNREADABLE = (errno.EIO, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP)
_verified: set[tuple[int, ...]] = set()  # files that this process has read whole


class DamagedFileError(BenchmarkError):
    """The content of a file is not what was written. The message says what is wrong, without the path."""


def crc32(content: bytes, before: int = 0) -> str:
    """Return the CRC-32 as eight hex digits; `before` is the CRC of the preceding bytes, as a number."""
    return f"{zlib.crc32(content, before):08x}"


def seal(path: Path) -> None:
    """Append the seal to a file that has none."""
    with path.open("r+b", buffering=0) as file:
        total, size = _checksum(file.fileno(), os.fstat(file.fileno()).st_size)
        file.seek(0, os.SEEK_END)
        file.write(SEAL.format(total, size).encode())


def is_sealed(path: Path) -> bool:
    """Whether a file has a seal, which is then verified.

    Raises `DamagedFileError` where the seal does not match or the file cannot be read, and `FileNotFoundError`.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return _is_sealed(file.fileno())
    except OSError as error:
        raise unreadable(error) from error


def read_bytes(path: Path) -> bytes:
    """Read a small file whole; raise `DamagedFileError` where it cannot be read, and `FileNotFoundError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(error) from error


def unreadable(error: OSError) -> Exception:
    """Return the error to raise: `DamagedFileError` for a file that cannot be read, else `error` itself."""
    return DamagedFileError(f"it cannot be read: {error.strerror}") if error.errno in _UNREADABLE else error


def identity_of(about: os.stat_result) -> tuple[int, ...]:
    """Return the properties that change when a file is rewritten or replaced."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, which a process computes once while the file is unchanged; raise `OSError`."""
    return _sha256(path, identity_of(path.stat()))


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, _: tuple[int, ...]) -> str:
    return file_sha256(path)


def usable(path: Path, check: Callable[[bool], None], say: Say = log) -> bool:
    """Whether a file exists and is complete. A damaged file is reported and moved away.

    `check` receives whether the file was sealed. It raises `DamagedFileError` for content that its reader cannot use. A
    file of older code, which has no seal, is checked as far as possible and then sealed.
    """
    try:
        sealed = is_sealed(path)
        check(sealed)
    except FileNotFoundError:
        return False
    except DamagedFileError as error:
        dismiss(path, error, say)
        return False
    if not sealed:
        _seal_if_possible(path)
    return True


def dismiss(path: Path, error: DamagedFileError, say: Say = log) -> None:
    """Report a damaged file and move it away; a new file then replaces it."""
    aside = ""
    with suppress(OSError):  # a home that cannot be written to: whoever writes next will say so
        if path.is_dir() and not path.is_symlink():
            aside = f"; the folder was moved to {set_aside(path)}"
    say(f"{path} is damaged ({error}): it is made anew{aside}")


def set_aside(path: Path) -> Path:
    """Move a file or folder to ``.set-aside/`` beside it; return its new path."""
    target = path.parent / SET_ASIDE / f"{path.name}-{secrets.token_hex(4)}"
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    return target


def _seal_if_possible(path: Path) -> None:
    with suppress(OSError):  # a home that cannot be written to can still be read
        seal(path)


def _is_sealed(file: int) -> bool:
    about = os.fstat(file)
    identity = identity_of(about)
    if identity in _verified:
        return True
    size = about.st_size - SEAL_BYTES
    match = _PATTERN.fullmatch(os.pread(file, SEAL_BYTES, size)) if size >= 0 else None
    if match is None:
        return False
    if int(match[2]) != size or _checksum(file, size) != (int(match[1], 16), size):
        raise DamagedFileError("its content is not what was written")
    _verified.add(identity)
    return True


def _checksum(file: int, size: int) -> tuple[int, int]:
    """Return the CRC-32 of the first `size` bytes of a file, and the number of bytes read."""
    total, read = 0, 0
    block = memoryview(bytearray(BLOCK))
    while read < size and (count := os.preadv(file, [block[: size - read]], read)):
        total = zlib.crc32(block[:count], total)
        read += count
    return total, read
