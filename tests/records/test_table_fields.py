"""Table fields equal the fields of the record, one by one."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.canonical import digest
from benchmark.records.files import files_at, records_in
from benchmark.records.index import read_entry
from benchmark.records.paths import RECORD
from benchmark.records.record import parse_record
from benchmark.records.table_fields import Result, read_resampled, read_result

COMMITTED = Path(__file__).parents[2] / "results" / "records"


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
    store.set_aside(spec)
    store.write(spec, record, resampled=resampled)

    entry, result = read_result(store, spec)
    assert isinstance(result, Result) and entry.done and entry.data == record.data_digest
    assert (result.key, result.seed, result.value) == (record.key, record.question["seed"], 0.8)
    assert result.bounds == pytest.approx((0.75, 0.84)) and not result.higher_is_better
    assert result.classes == ("MI", "NORM")  # a record is written in order
    assert np.isnan(result.per_class[0]) and result.per_class[1] == np.float32(0.7)
    assert result.resampling == digest(record.resampling)
    origin = {"git": "abc", "dirty": True, "hardware": "a CPU", "torch": "2", "precision": None}
    assert result.provenance == origin
    assert result.source == ("other", "d2") and result.analysis == {"chance": {"x": [1, 2]}}
    assert result.trained_end_to_end and result.notes == ("a note",) and result.seconds == 3
    np.testing.assert_array_equal(read_resampled(store, spec, result.resampled_sha256), resampled)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": "k"}', b"\xff"])
def test_what_is_no_record_is_unusable_to_every_reader(plan, store, fill, content):
    fill(plan, store)
    spec = plan.cells[0].spec
    (store.folder(spec) / RECORD).write_bytes(content)
    entry, result = read_result(store, spec)
    assert not entry.usable and result is None and store.get(spec) is None
    assert not read_entry(store.root, spec).usable


def test_a_record_of_a_later_version_is_unusable_and_says_so(plan, store, fill):
    fill(plan, store)
    spec = plan.cells[0].spec
    path = store.folder(spec) / RECORD
    body = (
        path.read_bytes().rpartition(b',\n"sha256"')[0].replace(b"{", b'{"later": 1, ', 1)
    )  # of a version without digest
    path.write_bytes(body + b"}")
    entry, result = read_result(store, spec)
    assert result is None and "a newer version wrote it" in entry.message and store.get(spec) is None


def test_every_committed_record_can_be_read():
    for path in records_in(COMMITTED).values():
        files = files_at(path)
        for place in files.places():
            parse_record(files.read(place, RECORD), place[2])
