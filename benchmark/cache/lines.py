"""Journals: a JSON object per line, each with a checksum over its own text and that of all lines before it.

Reading stops at the first line that is missing, moved, changed or cut short.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_LINE = re.compile(rb'(\{.+), "crc32": "([0-9a-f]{8})"\}')


class Lines(NamedTuple):
    """The trustworthy entries of a journal, whether untrustworthy lines follow them (other than a last line that was
    cut short), and whether the lines have checksums, which older code did not write."""

    entries: list[dict[str, Any]]
    damaged: bool
    protected: bool


def encode(entries: Iterable[Mapping[str, Any]], before: int = 0) -> tuple[bytes, int]:
    """Return the lines of `entries`, of one or more fields each, and their checksum.

    `before` is the checksum of the preceding lines.
    """
    lines = b""
    for entry in entries:
        body = json.dumps(entry).removesuffix("}").encode()
        before = zlib.crc32(body, before)
        lines += body + f', "crc32": "{before:08x}"}}\n'.encode()
    return lines, before


def decode(content: bytes) -> Lines:
    """Return the trustworthy part of a journal; of a journal without checksums, all lines that are JSON objects."""
    *lines, _ = content.split(b"\n")  # what follows the last line end was cut short
    protected = not lines or _LINE.fullmatch(lines[0]) is not None
    entries: list[dict[str, Any]] = []
    checksum = 0
    for line in lines:
        body = line
        if protected:
            match = _LINE.fullmatch(line)
            checksum = zlib.crc32(match[1], checksum) if match else 0
            if match is None or int(match[2], 16) != checksum:
                break
            body = match[1] + b"}"
        entry = _object(body)
        if entry is None:
            break
        entries.append(entry)
    return Lines(entries, len(entries) < len(lines), protected)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
