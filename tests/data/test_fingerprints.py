"""A copy of a recording is found by its fingerprint, at another rate, in another unit and under another filter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.api import LEADS, SignalSpec
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.signals.signal import adapt, lead_positions, to_millivolt
from benchmark.data.store.fingerprints import SAME, WIDTH, find_copies, fingerprint, fingerprints
from benchmark.data.store.preparation import prepare
from benchmark.paths import Home


def millivolt_of(stem):
    """One file in the order of `LEADS`."""
    raw = read_wfdb(stem)
    return to_millivolt(raw.adc, raw.gain, raw.baseline)[lead_positions(raw.leads)]


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """Recordings at 500 Hz, mV, with their fingerprints as they are stored."""
    home = Home(tmp_path_factory.mktemp("fast"))
    data = prepare("synthetic", {"patients": 12, "rate": 500}, home)
    return data.millivolt(np.arange(len(data))), fingerprints(data, home.fingerprints)


def test_a_copy_is_found_under_another_filter_and_others_are_not(home):
    data = prepare("synthetic", {"patients": 40, "rate": 500}, home)
    table = fingerprints(data, home.fingerprints)
    assert np.array_equal(table, fingerprints(data, home.fingerprints)) and table.dtype == np.float16
    rows = np.arange(0, len(data), 7)
    slow = adapt(data.millivolt(rows), 500, SignalSpec(rate=100, band_pass=(0.2, 40.0))) * 1000 + 5.0
    copies = find_copies(fingerprint(slow, 100), table, np.arange(len(data)))
    assert copies == list(enumerate(rows))
    others = np.setdiff1d(np.arange(len(data)), rows)
    assert find_copies(fingerprint(slow, 100), table, others) == []
    assert not fingerprint(np.zeros((1, 12, 1000), np.float32), 100).any()


@pytest.mark.parametrize("queries", [3, 90])
def test_pairs_that_are_passed_over_are_no_copies(queries, monkeypatch):
    monkeypatch.setattr("benchmark.data.store.fingerprints.BLOCK", 32)
    draw = np.random.default_rng(0)
    table = draw.normal(size=(200, WIDTH)) * np.exp(-np.arange(WIDTH) / 100)
    table[100:] = table[:100] + draw.uniform(0, 0.4, (100, 1)) * table[draw.permutation(100)]  # some above SAME
    table = (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float16)
    rows = np.flatnonzero(draw.random(200) < 0.9)
    likeness = table[:queries].astype(np.float32) @ table[rows].astype(np.float32).T
    likeness[likeness < SAME] = 0
    expected = [(place, rows[row.argmax()]) for place, row in enumerate(likeness) if row.any()]
    assert find_copies(table[:queries], table, rows) == expected
    assert len(expected) < np.count_nonzero(likeness)


@settings(max_examples=25, deadline=None)
@given(rate=st.integers(50, 1000), gain=st.floats(200, 20_000), offset=st.floats(-5, 5), louder=st.floats(0.5, 5))
def test_a_copy_is_found_at_any_rate_and_in_any_unit(fast, rate, gain, offset, louder):
    ecg, table = fast
    copy = np.round((adapt(ecg, 500, SignalSpec(rate=rate)) * louder + offset) * gain)
    copies = find_copies(fingerprint(copy.astype(np.float32), rate), table, np.arange(len(ecg)))
    assert copies == [(row, row) for row in range(len(ecg))]


def test_the_two_rates_of_ptbxl_have_one_fingerprint(shared):
    stems = sorted((shared / "data" / "ptb-xl" / "records500").rglob("*.hea"))[:40]
    fast = np.stack([millivolt_of(stem.with_suffix("")) for stem in stems])
    likeness = fingerprint(fast, 500) @ fingerprint(fast[..., ::5], 100).T
    assert (np.diag(likeness) > SAME).all() and (likeness - 2 * np.eye(len(stems))).max() < 0.9
    assert list(lead_positions(LEADS)) == list(range(12))
