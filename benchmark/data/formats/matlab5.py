"""Reader of the original MATLAB files of CPSC2018: one struct ``ECG`` with sex, age and a 12 x time matrix of doubles.

Level 5 MAT-files after MathWorks' "MAT-File Format": elements of a type, a size and that many bytes, each compressed
on its own. Only the contents of such files are supported, and no more is unpacked than a recording can hold,
so that a broken file costs neither time nor memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmark.errors import RecordingError

Value = TypeVar("Value")

HEADER_BYTES = 128
FILE_BYTES = 1 << 26
PERSON_BYTES = 4096  # sex and age are in the first few hundred
UNPACKED_BYTES = 1 << 27  # 12 leads of doubles at 500 Hz: over half an hour
ELEMENTS = 64  # upper limit at one level; these files have three
COMPRESSED, MATRIX = 15, 14
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
}
STRUCT_CLASS, CHAR_CLASS = 2, 4


class MalformedError(Exception):
    """Error for bytes that violate the format."""


@dataclass(frozen=True)
class MatlabECG:
    millivolt: np.ndarray  # (lead, time) float64
    sex: str
    age: float | None


def read_matlab_ecg(path: Path) -> MatlabECG:
    """Read one recording; raise `RecordingError` if the file is missing or lacks such a struct."""
    return _read(path, FILE_BYTES, _ecg)


def read_matlab_person(path: Path) -> tuple[str, float | None]:
    """Read sex and age of a recording from the first bytes of its file, where they precede the signal."""
    return _read(path, PERSON_BYTES, _person)


def _read(path: Path, limit: int, build: Callable[[bytes], Value]) -> Value:
    """Read `limit` bytes and parse them by `build`; turn any failure into a `RecordingError` that names the file."""
    try:
        with path.open("rb") as file:
            content = file.read(limit)
        return build(content)
    except FileNotFoundError:
        raise RecordingError(path, "the signal file is missing", "download it again") from None
    except (MalformedError, struct.error, zlib.error, ValueError, IndexError, OverflowError, OSError) as error:
        problem = f"is no MATLAB file of CPSC2018: {str(error)[:200] or type(error).__name__}"
        raise RecordingError(path, problem, "download it again") from None


def _ecg(content: bytes) -> MatlabECG:
    fields = _first_struct(content)
    if "data" not in fields:
        raise MalformedError("it holds no struct with a field 'data'")
    signal = _array(fields["data"])
    if signal.ndim != 2 or 12 not in signal.shape:
        raise MalformedError(f"ECG.data is {' x '.join(map(str, signal.shape))}, it must be 12 x time")
    signal = signal if signal.shape[0] == 12 else signal.T
    return MatlabECG(signal.astype(np.float64), _text(fields.get("sex")), _number(fields.get("age")))


def _person(content: bytes) -> tuple[str, float | None]:
    fields = _first_struct(content, partial=True)
    return _text(fields.get("sex")), _number(fields.get("age"))


def _first_struct(content: bytes, partial: bool = False) -> dict[str, memoryview]:
    """Return the fields of the first struct in the file, {} if it has none."""
    if content[126:128] != b"IM":
        raise MalformedError("its header is not that of a little-endian level 5 file")
    elements = _elements(memoryview(content)[HEADER_BYTES:], partial)
    structs = (_struct_fields(body, partial) for kind, body in elements if kind == MATRIX)
    return next((fields for fields in structs if fields), {})


def _elements(view: memoryview, partial: bool = False) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of the elements in `view`, unpacked; with `partial` the last may be truncated."""
    position = count = 0
    while position + 8 <= len(view):
        count += 1
        if count > ELEMENTS:
            raise MalformedError("it has too many elements")
        kind, size = struct.unpack_from("<II", view, position)
        if kind >> 16:  # a small element: type and size in one word, the content in the other
            kind, size, start, step = kind & 0xFFFF, kind >> 16, position + 4, 8
        else:
            start, step = position + 8, 8 + size + (-size % 8 if kind != COMPRESSED else 0)
        if (start + size > len(view) and not partial) or (step == 8 and size > 4 and start == position + 4):
            raise MalformedError("an element is longer than the file")
        body = view[start : start + size]
        if kind == COMPRESSED:
            yield from _elements(memoryview(_unpack(body, partial)), partial)
        else:
            yield kind, body
        position += step


def _unpack(body: memoryview, partial: bool) -> bytes:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(body, PERSON_BYTES if partial else UNPACKED_BYTES)
    if unpacker.unconsumed_tail and not partial:
        raise MalformedError("a compressed element is too large")
    if content[:4] == struct.pack("<I", COMPRESSED):
        raise MalformedError("a compressed element holds another one")
    return content


def _struct_fields(body: memoryview, partial: bool) -> dict[str, memoryview]:
    """Return the fields of a 1 x 1 struct; {} for anything else."""
    parts = list(_elements(body, partial))
    if len(parts) < 5 or _class(parts) != STRUCT_CLASS:
        return {}
    width = int(np.frombuffer(parts[3][1], "<i4")[0])
    names = bytes(parts[4][1])
    if not 0 < width <= 64 or len(names) // width > 64:
        raise MalformedError("the names of the struct's fields are broken")
    keys = [names[start : start + width].split(b"\0")[0].decode("latin-1") for start in range(0, len(names), width)]
    return dict(zip(keys, (part for kind, part in parts[5:] if kind == MATRIX), strict=False))


def _class(parts: list[tuple[int, memoryview]]) -> int:
    return int(np.frombuffer(parts[0][1], "<u4")[0] & 0xFF)


def _array(body: memoryview) -> np.ndarray:
    """Parse a numeric or character matrix: flags, dimensions, name, values."""
    parts = list(_elements(body))
    if len(parts) < 4:
        raise MalformedError("a matrix lacks its values")
    shape = [int(size) for size in np.frombuffer(parts[1][1], "<i4")]
    kind, values = parts[3]
    if kind not in NUMBERS:
        raise MalformedError(f"values of type {kind}")
    flat = np.frombuffer(values, "<" + NUMBERS[kind])
    if min(shape, default=0) < 0 or len(shape) > 3 or int(np.prod(shape, dtype=object)) != flat.size:
        raise MalformedError(f"a matrix announces {' x '.join(map(str, shape[:4]))} values and holds {flat.size}")
    return flat.reshape(shape, order="F")


def _text(body: memoryview | None) -> str:
    return "" if body is None else "".join(chr(int(code)) for code in _array(body).ravel()[:32] if 0 < code < 0x110000)


def _number(body: memoryview | None) -> float | None:
    values = _array(body).ravel() if body is not None else np.zeros(0)
    return float(values[0]) if values.size and np.isfinite(values[0]) else None
