"""Verification that the files of a prepared dataset are unchanged since the preparation.

The manifest has the size and the SHA-256 of every other file, and a seal: a digest over its own fields. Opening a
store checks only the seal and the sizes. Each table is checked against its digest when it is first read, and each
recording against its CRC-32. So all data in use is verified, in a few microseconds per recording and without extra
reads. Stores of older versions have neither seal nor sums; for them only the length of the signal file is known.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.canonical import digest, file_sha256
from benchmark.errors import DataError

SIGNALS, CHECKSUMS, MANIFEST = "signals.i16", "checksums.npy", "manifest.json"
PARTS, SEAL = "parts", "seal"  # fields of the manifest
MOST_NAMED = 8  # recordings named in an error


def measure_parts(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return size in bytes and SHA-256 of each file, in the form of the manifest."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)} for name in sorted(names)
    }


def seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest with a digest over all of its other fields."""
    fields = {name: value for name, value in manifest.items() if name != SEAL}
    return {**fields, SEAL: digest(fields, 64)}


def checksum(recording: bytes | memoryview) -> int:
    """Return the CRC-32 of a recording's int16 samples, ``(lead, time)`` in C order."""
    return zlib.crc32(recording)


def read_manifest(folder: Path, form: int) -> dict[str, Any]:
    """Read the manifest of a store of format `form`, and verify its seal and the sizes of the files.

    Raises `DataError`, also when the manifest is missing: then the preparation did not finish.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        raise DataError(f"{folder} holds no complete prepared dataset; run 'ecgarena data prepare' again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != form:
        raise DataError(f"{folder} was prepared by another version; remove it and run 'ecgarena data prepare' again")
    has_seal = SEAL in manifest or PARTS in manifest or (folder / CHECKSUMS).exists()
    if has_seal and not _is_intact(manifest):
        raise damage(folder, MANIFEST, "its fields are not those that the preparation wrote")
    _verify_sizes(folder, manifest[PARTS] if has_seal else {SIGNALS: {"bytes": manifest.get("signal_bytes")}})
    return manifest


def _is_intact(manifest: Mapping[str, Any]) -> bool:
    try:
        return manifest == seal(manifest)
    except (TypeError, ValueError):  # e.g. NaN, which no preparation writes
        return False


def _verify_sizes(folder: Path, parts: Mapping[str, Mapping[str, Any]]) -> None:
    for name, part in parts.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != part["bytes"]:
            state = "is missing" if size is None else f"has {size} bytes"
            raise damage(folder, name, f"it {state}, its manifest says {part['bytes']} bytes")


def read_part(folder: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    """Read a whole file of the store; raise `DataError` if it changed since the preparation."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise damage(folder, name, f"it cannot be read: {error}") from None
    expected = manifest.get(PARTS, {}).get(name)
    if expected is not None and hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise damage(folder, name, "its checksum is not the one in the manifest")
    return content


def verified(folder: Path, name: str, manifest: Mapping[str, Any]) -> Path:
    """Verify a file that will be memory-mapped and return its path; raise `DataError` if it was changed."""
    expected = manifest.get(PARTS, {}).get(name)
    if expected is not None and file_sha256(folder / name) != expected["sha256"]:
        raise damage(folder, name, "its checksum is not the one in the manifest")
    return folder / name


def changed_parts(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that changed since the preparation; reads all of them."""
    return [
        name
        for name, part in manifest.get(PARTS, {}).items()
        if not (folder / name).is_file() or file_sha256(folder / name) != part["sha256"]
    ]


class VerifiedSignals:
    """Verifier that checks each recording against its checksum when this process first reads it."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.expected: np.ndarray | None = None  # prepared by an older version
        if PARTS in manifest:
            self.expected = np.load(io.BytesIO(read_part(folder, CHECKSUMS, manifest)))
        self.verified = np.zeros(int(manifest["recordings"]), bool)

    def verify(self, rows: np.ndarray, adc: np.ndarray, names: np.ndarray) -> None:
        """Verify ``(len(rows), lead, time)`` int16; raise `DataError` with the `names` of the rows that differ."""
        if self.expected is None or self.verified[rows].all():
            return
        wrong = self.differing(rows, adc)
        if len(wrong):
            more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
            listing = f"{', '.join(str(names[row]) for row in wrong[:MOST_NAMED])}{more}"
            raise damage(self.folder, SIGNALS, f"the samples of {listing} are not those that were prepared")
        self.verified[rows] = True

    def differing(self, rows: np.ndarray, adc: np.ndarray) -> np.ndarray:
        """Return the rows whose checksums differ; none if the store has no checksums."""
        if self.expected is None:
            return rows[:0]
        checksums = [checksum(np.ascontiguousarray(recording).data) for recording in adc]
        return rows[self.expected[rows] != np.array(checksums, np.uint32)]


def damage(folder: Path, name: str, problem: str) -> DataError:
    """Return the error for a file of the store that changed since the preparation."""
    remedy = f"remove {folder} and run 'ecgarena data prepare' again"
    return DataError(f"{folder / name} was changed or damaged after the preparation: {problem}; {remedy}")
