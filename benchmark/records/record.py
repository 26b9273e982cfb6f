"""What is known of a cell after it ran, as JSON: one schema, its text on disk, and what makes a record unusable.

A record ends with the SHA-256 of everything before it, so that a change by hand or a damaged block is noticed by every
reader. Records of older code have none; they are held to the whole schema instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from benchmark.errors import BenchmarkError
from benchmark.metrics.ranges import range_of

Status = Literal["done", "failed"]
Number = int | float
_DIGEST = b',\n"sha256": "'  # begins the last line
CHANGED = "it was changed after it was written, or is damaged: its digest is not that of its text"


class UnusableRecordError(BenchmarkError):
    """A file is no record that can be believed; the message says why."""


class RunRecord(msgspec.Struct, forbid_unknown_fields=True):
    """The answer of a cell. Metrics that could not be computed are absent, with the reason in `notes`; never NaN."""

    key: str
    spec: dict[str, Any]
    question: dict[str, Any]  # the task's fields, those at their defaults too
    status: Status
    metrics: dict[str, Number] = {}
    intervals: dict[str, tuple[Number, Number]] = {}
    per_class: dict[str, dict[str, Any]] = {}
    primary: str = ""
    higher_is_better: bool = True
    details: dict[str, Any] = {}
    notes: list[str] = []
    error: dict[str, str] | None = None  # kind, message, traceback
    predictions: str | None = None  # sha256 of predictions.safetensors
    resampling: dict[str, Any] = {}  # which resamples `resampled.f32` beside the record holds
    cost: dict[str, Number] = {}  # parameters, FLOPs per recording, seconds of its parts
    config: dict[str, Any] = {}  # all options of method, dataset and training
    subgroups: dict[str, dict[str, dict[str, Any]]] = {}  # attribute -> value -> metrics
    analysis: dict[str, Any] = {}  # calibration bins, prompt sensitivity, chance levels
    data_digest: str | None = None
    leak: dict[str, Any] | None = None  # state: clean, contaminated or unknown; and reasons
    source_digest: str | None = None  # of the dataset that the task learnt from, if it is another
    synthetic: bool = False
    partial: bool = False
    n: dict[str, int] = {}  # recordings of train subset, val and test
    provenance: dict[str, Any] = {}
    seconds: float = 0.0
    code: dict[str, str] = {}  # digests of the source of method and task; of a plug-in its distribution
    files: dict[str, str] = {}  # sha256 of `resampled.f32` and `texts.json`, where they are
    sha256: str = ""  # of the text before it; empty until it is read from disk

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def digests(self) -> tuple[str | None, str | None]:
        """The data that it was made from: the cell's, and what the task learnt from if that is another."""
        return self.data_digest, self.source_digest

    def to_json(self) -> dict[str, Any]:
        """Return the fields as they are, plain JSON, without the digest of the text."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "sha256"}


_decode = msgspec.json.Decoder(RunRecord).decode


def record_text(record: RunRecord) -> bytes:
    """Return JSON with a line per field, easy on diffs, and the digest of these lines as the last one."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)}"
        for name, value in sorted(record.to_json().items())
    )
    body = ("{\n" + ",\n".join(lines)).encode("utf-8", "replace")  # a message may hold half a character
    return body + _DIGEST + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def parse_record(content: bytes) -> RunRecord:
    """Decode a record; raise `UnusableRecordError` with the reason where it cannot be believed."""
    has_digest = check_digest(content)
    record: RunRecord = decode(_decode, content)
    if not has_digest:
        _check_older(record)
    return record


def check_content(content: bytes) -> None:
    """Raise `UnusableRecordError` unless `content` is a whole record; as `parse_record`, cheaper for new ones."""
    if not check_digest(content):
        _check_older(decode(_decode, content))


def _check_older(record: RunRecord) -> None:
    """Raise where a record without a digest at its end cannot be one of older code, or has impossible values."""
    if record.sha256 or record.code or record.files:
        raise UnusableRecordError(CHANGED)
    check_values(record.metrics, record.intervals)


def check_digest(content: bytes) -> bool:
    """Return whether the text carries a digest; raise where it is not that of the text."""
    body, mark, digest = content.rpartition(_DIGEST)
    if mark and digest != hashlib.sha256(body).hexdigest().encode() + b'"\n}\n':
        raise UnusableRecordError(CHANGED)
    return bool(mark)


def decode(decoder: Any, content: bytes) -> Any:
    """Decode by `decoder`, and say why where it does not fit."""
    try:
        return decoder(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = str(error)
        if "unknown field" in text:
            raise UnusableRecordError(f"a newer version wrote it, perhaps: {text}") from None
        raise UnusableRecordError(f"it is no record: {text}") from None


def check_values(metrics: Mapping[str, Number], intervals: Mapping[str, tuple[Number, Number]]) -> None:
    """Raise where a metric lies outside of its range or an interval ends before it begins."""
    for name, value in metrics.items():
        low, high = range_of(name)
        if not low <= value <= high:
            raise UnusableRecordError(f"{name} is {value}, which lies outside of {low:g} to {high:g}")
    for name, (first, last) in intervals.items():
        if not first <= last:
            raise UnusableRecordError(f"the interval of {name} ends before it begins: {first} to {last}")
