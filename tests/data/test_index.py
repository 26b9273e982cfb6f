"""The guards of an index: ids that repeat, splits nobody knows, patients in two splits; and what a chunk is."""

import pytest

from benchmark.api import RecordingEntry
from benchmark.data.store.recording_index import write_index
from benchmark.errors import DataError


def entry(record: str, patient: str, split: str = "train", problem: str = "") -> RecordingEntry:
    return RecordingEntry(record, patient, split, {}, problem=problem)


def whole(count: int) -> list[RecordingEntry]:
    return [
        entry(f"r{number}", f"p{number // 2}", ("train", "val", "test")[number // 2 % 3]) for number in range(count)
    ]


def test_chunks_hold_the_entries_in_order(tmp_path):
    index = write_index("set", whole(10), tmp_path / "index", 4)
    assert [len(chunk) for chunk in index.chunks()] == [4, 4, 2]
    assert [result.record_id for result in index] == [f"r{number}" for number in range(10)]
    assert [result.record_id for chunk in index.chunks(skip=1) for result in chunk] == [f"r{n}" for n in range(4, 10)]
    assert index.recordings == 10 and index.readable == 10


def test_the_digest_is_of_the_entries_and_their_order_not_of_the_chunks(tmp_path):
    digest = write_index("set", whole(10), tmp_path / "a", 4).digest
    assert digest == write_index("set", whole(10), tmp_path / "b", 3).digest and len(digest) == 16
    assert digest != write_index("set", whole(10)[::-1], tmp_path / "c", 4).digest


def test_what_the_index_says_against_a_recording_is_counted(tmp_path):
    entries = [*whole(4), entry("bad", "p9", problem="no file")]
    index = write_index("set", entries, tmp_path / "index", 2)
    assert index.recordings == 5 and index.readable == 4


@pytest.mark.parametrize("extra", [0, 1, 5])
def test_a_patient_in_two_splits_is_named_wherever_the_recordings_stand(tmp_path, extra):
    entries = [entry("x", "leaky", "train"), *whole(extra * 2), entry("y", "leaky", "test")]
    with pytest.raises(DataError) as raised:
        write_index("set", entries, tmp_path / "index", 2)
    assert "1 patients are in more than one split, patient 'leaky' first" in str(raised.value)


def test_two_patients_side_by_side_in_different_splits_are_no_leak(tmp_path):
    entries = [entry(f"r{number}", f"p{number}", "train" if number % 2 else "test") for number in range(200)]
    assert write_index("set", entries, tmp_path / "index", 50).recordings == 200


def test_one_patient_in_one_split_is_no_leak(tmp_path):
    assert write_index("set", [entry(f"r{n}", "p", "val") for n in range(5)], tmp_path / "index", 2).recordings == 5


def test_all_faults_at_once_by_their_first(tmp_path):
    entries = [entry("a", "p1"), entry("b", "p2"), entry("b", "p2"), entry("c", "p3", "dev"), entry("d", "p3", "val")]
    with pytest.raises(DataError) as raised:
        write_index("set", [*entries, entry("a", "p1")], tmp_path / "index", 2)
    message = str(raised.value)
    assert "the index of set cannot be used" in message and "2 record ids occur twice, 'a' first" in message
    assert "it has dev" in message and "1 patients are in more than one split, patient 'p3' first" in message


def test_an_empty_index_is_refused(tmp_path):
    with pytest.raises(DataError, match="it has no recordings"):
        write_index("set", [], tmp_path / "index", 2)
