"""Recordings that a method cannot use, and rates that are too low: silence in every reading, and a note."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.api import LEADS, SignalSpec
from benchmark.data.store.preparation import prepare
from benchmark.datasets.synthetic import Synthetic
from benchmark.engine.pretraining import ReportedRecordings
from benchmark.engine.signal_notes import signal_notes
from benchmark.registry import DATASETS

SHORT, FLAT = 2, 5  # rows of the uneven dataset


class Uneven(Synthetic):
    """A dataset whose first recordings include one of only 5 s and one with flat limb leads."""

    def read(self, entry, root):
        raw = super().read(entry, root)
        adc, number = raw.adc.copy(), self.numbers[entry.record_id]
        if number == FLAT:
            adc[:6] = 0
        return replace(raw, adc=adc[:, :500] if number == SHORT else adc)

    def entries(self, root):
        entries = super().entries(root)
        self.numbers = {entry.record_id: i for i, entry in enumerate(entries)}
        return entries


@pytest.fixture
def uneven(home, monkeypatch):
    monkeypatch.setitem(DATASETS._classes, "uneven", Uneven)
    return prepare("uneven", {"patients": 30}, home)


def test_they_are_silence_in_every_reading_and_absent_from_pretraining(uneven):
    rows = np.arange(8)
    for spec, silent_rows in (
        (SignalSpec(rate=100), []),
        (SignalSpec(rate=100, min_seconds=8), [SHORT]),
        (SignalSpec(rate=100, leads=("I", "II"), scaling="zscore_lead"), [FLAT]),
        (SignalSpec(rate=100, leads=("I", "V1")), []),
        (SignalSpec(rate=50, leads=LEADS[:6], min_seconds=8, scaling="minmax_record"), [SHORT, FLAT]),
    ):
        assert list(uneven.unusable(spec)) == silent_rows
        ecg = uneven.read(rows, spec)
        assert [row for row in rows if not ecg[row].any()] == silent_rows
        assert np.array_equal(ecg, np.concatenate([uneven.read([row], spec) for row in rows]))
        corpus = ReportedRecordings(uneven, "train", spec)
        assert not set(silent_rows) & set(corpus.rows) and corpus.unusable == len(silent_rows)


def test_they_are_counted_by_split_and_named(uneven):
    view = {"train": np.array([0, SHORT]), "val": np.array([1]), "test": np.array([3, FLAT])}
    spec = SignalSpec(rate=500, leads=("I", "II"), min_seconds=8)
    rate_note, silence_note = signal_notes(uneven, view, spec, "m")
    assert rate_note.startswith("m: recorded at 100 Hz and resampled to 500 Hz")
    assert "count as silence: 1 of 2 in train, 1 of 2 in test" in silence_note
    assert f"(test: {uneven.record_ids[FLAT]})" in silence_note and "shorter than 8 s" in silence_note
    assert signal_notes(uneven, view, SignalSpec(rate=100), "m") == []
