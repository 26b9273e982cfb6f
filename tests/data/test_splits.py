"""The hashed split: shares met on average, the test part first, nobody moved by who else is there."""

from collections import Counter

import pytest

from benchmark.data.labels.splits import hashed_split


def test_known_places():
    """A record made with one version must find its split again in the next: these are part of the protocol."""
    result = [hashed_split(0, f"p{number}", 0.08, 0.2) for number in range(30)]
    assert [number for number, split in enumerate(result) if split == "val"] == [12, 15, 26]
    assert [number for number, split in enumerate(result) if split == "test"] == [2, 11, 23, 27, 28]
    other = [hashed_split(1, f"p{number}", 0.08, 0.2) for number in range(30)]
    assert [number for number, split in enumerate(other) if split == "test"] == [0, 1, 2, 5, 19, 23, 28]


@pytest.mark.parametrize("val, test", [(0.08, 0.2), (0.02, 0.02), (0.5, 0.1)])
def test_shares(val, test):
    counts = Counter(hashed_split(3, str(patient), val, test) for patient in range(20_000))
    for name, share in (("test", test), ("val", val), ("train", 1 - val - test)):
        assert counts[name] / 20_000 == pytest.approx(share, abs=0.012)


def test_a_larger_test_part_keeps_the_smaller_one():
    small = {p for p in range(2000) if hashed_split(0, str(p), 0.1, 0.1) == "test"}
    assert small < {p for p in range(2000) if hashed_split(0, str(p), 0.1, 0.2) == "test"}


def test_all_and_nothing():
    assert {hashed_split(0, str(p), 0.0, 1.0) for p in range(200)} == {"test"}
    assert {hashed_split(0, str(p), 1.0, 0.0) for p in range(200)} == {"val"}
    assert {hashed_split(0, str(p), 0.0, 0.0) for p in range(200)} == {"train"}
