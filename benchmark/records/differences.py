"""Differences between two sets of records: which numbers moved, by how much, and what else differs beside them.

Records are paired by their question. Versions of method, task and dataset, the protocol, digests of weights and files
of the task do not count as part of it, since they are reasons for a number to move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.canonical import dumps
from benchmark.records.paths import RECORD
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record
from benchmark.records.store import Store

REASONS = ("method_version", "task_version", "dataset_version", "protocol", "task_inputs", "weights", "pretraining")
DATA = {"data_digest": "data", "source_digest": "data of the dataset that the task learnt from"}


@dataclass(frozen=True)
class Move:
    """A question whose numbers differ: name -> before and after, and the reasons that the records give."""

    title: str
    keys: tuple[str, str]
    primary: str
    numbers: dict[str, tuple[float | None, float | None]]
    reasons: dict[str, str]

    @property
    def size(self) -> float:
        """Return by how much the primary metric moved; 0 where it is on one side alone."""
        return _difference(*self.numbers.get(self.primary, (None, None))) or 0.0

    def to_json(self) -> dict[str, Any]:
        numbers = {
            name: {"a": a, "b": b, "difference": _difference(a, b)} for name, (a, b) in sorted(self.numbers.items())
        }
        return {"cell": self.title, "keys": list(self.keys), "primary": self.primary, "numbers": numbers} | {
            "reasons": self.reasons
        }


@dataclass
class Differences:
    """All differences between two sets, and what they share."""

    same: int = 0
    moves: list[Move] = field(default_factory=list)
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "moves": [move.to_json() for move in self.moves]}


def differences(a: Store, b: Store, tolerance: float = 0.0) -> Differences:
    """Return what differs between two sets of records; numbers within `tolerance` of each other count as the same."""
    result = Differences()
    before, after = _finished_records(a, result), _finished_records(b, result)
    pairs = _pairs_of(before, after)
    for key, record in before.items():
        other = after.get(pairs.get(key, ""))
        if other is None:
            result.only_a.append(_title(record))
        elif numbers := _changed_numbers(record, other, tolerance):
            keys = record.key, other.key
            result.moves.append(Move(_title(record), keys, record.primary, numbers, _reasons(record, other)))
        else:
            result.same += 1
    partners = set(pairs.values())
    result.only_b = [_title(record) for key, record in after.items() if key not in partners]
    result.moves.sort(key=lambda move: -abs(move.size))
    return result


def _finished_records(store: Store, result: Differences) -> dict[str, RunRecord]:
    """Return the finished records by their key."""
    records = {}
    for place in store.files.places():
        try:
            record = parse_record(store.files.read(place, RECORD) or b"", place[2])
        except UnusableRecordError as error:
            result.unusable.append(f"{store.files.name_of(place)}: {error}")
            continue
        if record.done:
            records[record.key] = record
    return records


def _pairs_of(before: dict[str, RunRecord], after: dict[str, RunRecord]) -> dict[str, str]:
    """Return the key of each record's partner: its own, else that of the one other record of its question.

    Rows that differ in their pre-training alone share a question, so those of equal keys come first.
    """
    pairs = {key: key for key in before if key in after}
    first, second = (_by_question(records, pairs) for records in (before, after))
    for question, keys in first.items():
        if len(keys) == 1 == len(second.get(question, ())):
            pairs[keys[0]] = second[question][0]
    return pairs


def _by_question(records: dict[str, RunRecord], left_out: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the keys of the records by question, without those in `left_out`."""
    groups: dict[str, list[str]] = {}
    for key, record in records.items():
        if key not in left_out:
            question = {name: value for name, value in record.spec.items() if name not in REASONS}
            groups.setdefault(dumps(question), []).append(key)
    return groups


def _changed_numbers(a: RunRecord, b: RunRecord, tolerance: float) -> dict[str, tuple[float | None, float | None]]:
    """Return the metrics and bounds of intervals that differ, with both values."""
    before, after = dict(_numbers(a)), dict(_numbers(b))
    pairs = {name: (before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())}
    return {name: pair for name, pair in pairs.items() if _differ(*pair, tolerance)}


def _numbers(record: RunRecord) -> Iterator[tuple[str, float]]:
    yield from record.metrics.items()
    for name, (low, high) in record.intervals.items():
        yield f"{name} low", low
        yield f"{name} high", high


def _differ(a: float | None, b: float | None, tolerance: float) -> bool:
    return a != b if a is None or b is None else abs(a - b) > tolerance


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a


def _reasons(a: RunRecord, b: RunRecord) -> dict[str, str]:
    """Return what differs beside the numbers, by name: code, data, protocol, versions of packages, hardware ..."""
    pairs = {name: (a.spec.get(name), b.spec.get(name)) for name in REASONS}
    pairs |= {text: (getattr(a, name), getattr(b, name)) for name, text in DATA.items()}
    pairs |= _pairs("code of ", a.code, b.code)
    before, after = (record.provenance.get("environment", {}) for record in (a, b))
    pairs |= _pairs("", before.get("packages", {}), after.get("packages", {}))
    pairs |= {name: (before.get(name), after.get(name)) for name in ("python", "platform", "cpu", "gpu")}
    codes = [record.provenance.get("code", {}) for record in (a, b)]
    pairs |= {"version": (codes[0].get("version"), codes[1].get("version")), "recordings": (a.n, b.n)}
    return {name: _change(*pair) for name, pair in pairs.items() if pair[0] != pair[1]}


def _pairs(prefix: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {f"{prefix}{name}": (a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys())}


def _change(a: Any, b: Any) -> str:
    """Return ``2.1 -> 2.2``; options and choices are long and only said to differ."""
    if any(isinstance(value, dict) for value in (a, b)):
        return "differs"
    return f"{'unknown' if a is None else a} -> {'unknown' if b is None else b}"


def _title(record: RunRecord) -> str:
    """Return what was asked of whom: ``merl linear_probe ptbxl/super fraction=0.1 seed=0 width=32``."""
    spec = record.spec
    names = [spec["method"], spec["task"], f"{spec['dataset']}/{spec['label_set']}"]
    fields = {**record.question, **spec["method_config"]}
    return " ".join([*names, *(f"{name}={value}" for name, value in fields.items())])
