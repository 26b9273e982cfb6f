"""Two prepared datasets are compared once, split by split; preparations are found by name and options."""

import pytest

from benchmark.data.store.preparation import prepare
from benchmark.data.store.preparations import Preparations
from benchmark.data.store.shared_recordings import is_quick, merge_overlaps, shared_recordings

CONFIG = {"patients": 20}


@pytest.fixture
def data(home):
    return prepare("synthetic", CONFIG, home)


def test_a_dataset_shares_its_own_test_split_and_nothing_else(data, home):
    shared = shared_recordings(data, "test", data, home.fingerprints)
    names = set(data.record_ids[data.splits == "test"])
    assert shared["test"].copies == {name: name for name in names} and shared["test"].patients
    assert not shared["train"].copies and not shared["train"].patients
    assert merge_overlaps(shared.values()).recordings == len(data)


def test_a_comparison_is_kept_and_made_anew_where_it_cannot_be_read(data, home):
    first = shared_recordings(data, "test", data, home.fingerprints)
    (file,) = home.fingerprints.glob("*.json")
    file.write_text("{")
    assert shared_recordings(data, "test", data, home.fingerprints) == first
    assert shared_recordings(data, "test", data, home.fingerprints) == first


def test_a_large_comparison_is_not_quick_until_it_is_kept(data, home, monkeypatch):
    monkeypatch.setattr("benchmark.data.store.shared_recordings.QUICK_PAIRS", 10)
    assert not is_quick(data, "test", data, home.fingerprints)
    shared_recordings(data, "test", data, home.fingerprints)
    assert is_quick(data, "test", data, home.fingerprints)


def test_a_preparation_is_found_by_its_options_and_by_others_that_keep_the_splits(data, home):
    faster = prepare("synthetic", {**CONFIG, "rate": 250}, home)
    preparations = Preparations(home)
    for config, expected in ((CONFIG, data), ({**CONFIG, "rate": 250}, faster), ({**CONFIG, "rate": 500}, data)):
        assert preparations.find("synthetic", config).path == expected.path
    assert preparations.find("synthetic", CONFIG, faster.digest).path == faster.path
    assert preparations.find("synthetic", {}) is None and preparations.find("ptbxl", {}) is None
    assert preparations.names() == ["synthetic"] and preparations.largest("ptbxl") is None


@pytest.mark.parametrize("change", [{"version": 99}, {"dataset": "uninstalled"}, {"format": 0}])
def test_what_other_code_prepared_is_not_at_hand(data, home, reseal, change):
    reseal(data.path, **change)
    assert Preparations(home).listing == []
