"""Small JSON files with a checksum: the last field is the CRC-32 of the text before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from benchmark.atomic import write_bytes
from benchmark.cache.checksums import DamagedFileError, Say, crc32, dismiss, log, read_bytes
from benchmark.errors import DiskError

T = TypeVar("T")

FIELD = "crc32"
_MARK = b',\n"crc32": "'


def write_json(path: Path, content: Mapping[str, Any], indent: int | None = None) -> None:
    """Write an object of one or more fields atomically, with its checksum as the last field."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    body = text.removesuffix("}").rstrip().encode("utf-8", "backslashreplace")
    write_bytes(path, body + _MARK + crc32(body).encode() + b'"\n}\n')


def read_json(path: Path) -> tuple[Any, bool]:
    """Return the content of a file without its checksum, and whether it had one.

    Raises `DamagedFileError` for a wrong checksum or text that is no JSON, and `FileNotFoundError`.
    """
    content = read_bytes(path)
    body, mark, rest = content.rpartition(_MARK)
    if mark and rest != crc32(body).encode() + b'"\n}\n':
        raise DamagedFileError("its text is not what was written")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"it is no JSON: {error}") from None
    if mark:
        del value[FIELD]
    return value, bool(mark)


def stored_json(
    path: Path, make: Callable[[], Mapping[str, Any]], parse: Callable[[dict[str, Any]], T], say: Say = log
) -> T:
    """Return ``parse(content)`` of a file. An absent or damaged file is first written with the result of `make`.

    `parse` raises TypeError, ValueError or KeyError for content of another kind, which counts as damage.
    """
    with suppress(FileNotFoundError):
        try:
            return _parsed(path, parse)
        except DamagedFileError as error:
            dismiss(path, error, say)
    write_json(path, make())
    return parse(read_json(path)[0])


def keep_json(path: Path, content: Mapping[str, Any], say: Say = log) -> None:
    """Write `content` to a file unless a verified file with this content exists."""
    plain = json.loads(json.dumps(content))

    def check(content: dict[str, Any]) -> bool:
        if content != plain:
            raise ValueError("its fields are not the expected ones")
        return True

    stored_json(path, lambda: plain, check, say)


def _parsed(path: Path, parse: Callable[[dict[str, Any]], T]) -> T:
    content, has_checksum = read_json(path)
    try:
        value = parse(content)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DamagedFileError(f"it does not hold what it should: {error}") from None
    if not has_checksum:
        with suppress(DiskError):  # a home that cannot be written to can still be read
            write_json(path, content)
    return value
