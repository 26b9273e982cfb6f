"""The record of a cell as JSON: one schema, its text on disk, and the checks that make a record unusable.

A record ends with the SHA-256 of everything before it, so that a change by hand or a damaged block is noticed by every
reader. Records of older code have none; they are checked against the whole schema instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

import msgspec

from benchmark.errors import BenchmarkError
from benchmark.metrics.ranges import range_of

Status = Literal["done", "failed"]
Number = int | float
_DIGEST = b',\n"sha256": "'  # begins the last line
SPEC: dict[str, type] = dict.fromkeys(("method", "task", "dataset", "label_set", "protocol"), str)  # in every record
SPEC |= dict.fromkeys(("method_config", "task_config", "dataset_config"), dict)
CHANGED = "it was changed after it was written, or is damaged: its digest is not that of its text"


class UnusableRecordError(BenchmarkError):
    """A file is no record that can be believed; the message says why."""


class Verdict(TypedDict):
    """Whether the method has seen the test recordings: clean, contaminated or unknown, and why."""

    state: str
    reasons: list[str]


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
    leak: Verdict | None = None  # of the contamination gate
    source_digest: str | None = None  # of the dataset that the task learnt from, if it is another
    values_digest: str | None = None  # of a label set or target beside the store, which `data_digest` does not cover
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
    def digests(self) -> tuple[str | None, str | None, str | None]:
        """Return the digests of the cell's dataset, of the other one that its task learnt from, and of its values."""
        return self.data_digest, self.source_digest, self.values_digest

    def to_json(self) -> dict[str, Any]:
        """Return the fields as they are, plain JSON, without the digest of the text."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "sha256"}


_decode = msgspec.json.Decoder(RunRecord).decode
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False).encode
_EMPTY: dict[type, str] = {dict: "{}", list: "[]", str: '""', type(None): "null"}  # most fields of most records


def record_text(record: RunRecord) -> bytes:
    return signed_text(record.to_json())


def signed_text(fields: Mapping[str, Any]) -> bytes:
    """Return JSON with a line per field, for short diffs, and the digest of these lines as the last one."""
    lines = (f"{json.dumps(name)}: {_text(value)}" for name, value in sorted(fields.items()))
    body = ("{\n" + ",\n".join(lines)).encode("utf-8", "replace")  # a message may hold half a character
    return body + _DIGEST + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def _text(value: Any) -> str:
    """Return a value as JSON."""
    text = None if value else _EMPTY.get(type(value))
    return _encode(value) if text is None else text


def parse_record(content: bytes, key: str | None = None) -> RunRecord:
    """Decode a record; with `key`, only that of this cell is accepted.

    Raises `UnusableRecordError` with the reason where it cannot be believed. Every reader makes this one check.
    """
    has_digest = check_digest(content)
    try:
        record = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "a newer version wrote it, perhaps" if "unknown field" in str(error) else "it is no record"
        raise UnusableRecordError(f"{reason}: {error}") from None
    if not has_digest and (record.sha256 or record.code or record.files):
        raise UnusableRecordError(CHANGED)  # older code wrote none of these fields
    if key is not None and record.key != key:
        raise UnusableRecordError(f"it is the record of another cell, {record.key}")
    check_values(record)
    return record


def check_digest(content: bytes) -> bool:
    """Return whether the text carries a digest; raise where it is not that of the text."""
    body, mark, digest = content.rpartition(_DIGEST)
    if mark and digest != hashlib.sha256(body).hexdigest().encode() + b'"\n}\n':
        raise UnusableRecordError(CHANGED)
    return bool(mark)


def check_values(record: RunRecord) -> None:
    """Raise for an impossible number, and where a part that tables read has another form."""
    for name, value in record.metrics.items():
        low, high = range_of(name)
        if not low <= value <= high:
            raise UnusableRecordError(f"{name} is {value}, which lies outside of {low:g} to {high:g}")
    for name, (first, last) in record.intervals.items():
        if not first <= last:
            raise UnusableRecordError(f"the interval of {name} ends before it begins: {first} to {last}")
    wrong = [name for name, kind in SPEC.items() if not isinstance(record.spec.get(name), kind)]
    if wrong:
        raise UnusableRecordError(f"its question has no {', '.join(wrong)}")
