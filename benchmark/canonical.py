"""Canonical JSON and its digest: equal questions get equal keys, on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHUNK = 1 << 22  # bytes
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
PLAIN = (str, int, bool, type(None))  # by far the most frequent, so checked first


def canonical(value: Any) -> Any:
    """Reduce a value to plain JSON types; 224, 224.0 and numpy's 224 become the same number."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{type(value).__name__} {value!r} cannot become part of a key")


def dumps(value: Any) -> str:
    return _ENCODER.encode(canonical(value))


def digest(value: Any, length: int = 16) -> str:
    """Return the first `length` hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:length]


def file_sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    return total.hexdigest()
