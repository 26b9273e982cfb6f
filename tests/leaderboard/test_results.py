"""What tables read of a record is what the record says, field by field."""

from dataclasses import fields
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmark.canonical import digest
from benchmark.records.record import RunRecord
from benchmark.records.store import RECORD
from benchmark.records.table_fields import Fields, Result, read_resampled, read_result

COMMITTED = Path(__file__).parents[2] / "results" / "records"


def test_the_fields_are_those_of_a_record():
    assert {field.name for field in msgspec.structs.fields(Fields)} == {field.name for field in fields(RunRecord)}


def test_a_result_is_what_its_record_says(plan, store, fill):
    rng = np.random.default_rng(0)
    source = {"dataset": "other", "label_set": "groups"}
    fill(
        plan, store, lambda cell: 0.8, lambda cell: rng.normal(0, 0.01, 200).astype(np.float32),
        notes=["a note"], source_digest="d2", cost={"flops": 2.0}, seconds=3, higher_is_better=False,
        provenance={"code": {"git": "abc", "dirty": True}, "environment": {"cpu": "a CPU", "packages": {"torch": "2"}}},
        analysis={"chance": {"x": [1, 2]}, "other": {"y": 3}}, details={"trained": {"epochs": 2}},
        per_class={"NORM": {"auroc": 0.7}, "MI": {"auroc": None, "reason": "one class only"}},
    )  # fmt: skip
    spec = plan.cells[0].spec
    record, resampled = store.get(spec), store.resampled(spec)
    record.spec["source"] = source
    store.discard(spec)
    store.put(spec, record, resampled=resampled)

    result = read_result(store, spec)
    assert isinstance(result, Result)
    assert (result.key, result.seed, result.value) == (record.key, record.question["seed"], 0.8)
    assert result.bounds == pytest.approx((0.75, 0.84)) and not result.higher_is_better
    assert result.classes == ("MI", "NORM")  # a record is written in order
    assert np.isnan(result.per_class[0]) and result.per_class[1] == np.float32(0.7)
    assert result.resampling == digest(record.resampling)
    assert result.provenance == {"git": "abc", "dirty": True, "hardware": "a CPU", "torch": "2"}
    assert result.source == ("other", "d2") and result.analysis == {"chance": {"x": [1, 2]}}
    assert result.trained_end_to_end and result.notes == ("a note",) and result.seconds == 3
    np.testing.assert_array_equal(read_resampled(store, spec), resampled)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": "k"}', b"\xff"])
def test_what_is_no_record_counts_as_missing(plan, store, fill, content):
    fill(plan, store)
    spec = plan.cells[0].spec
    (store.folder(spec) / RECORD).write_bytes(content)
    assert read_result(store, spec) is None and store.get(spec) is None


def test_a_record_of_a_later_version_counts_as_missing(plan, store, fill):
    fill(plan, store)
    path = store.folder(plan.cells[0].spec) / RECORD
    path.write_bytes(path.read_bytes().replace(b"{", b'{"later": 1, ', 1))
    assert read_result(store, plan.cells[0].spec) is None and store.get(plan.cells[0].spec) is None


def test_every_committed_record_can_be_read():
    for path in COMMITTED.glob(f"*/*/*/*/{RECORD}"):
        msgspec.json.decode(path.read_bytes(), type=Fields)
