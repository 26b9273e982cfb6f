"""Samples read from the file of a store: neighbours in one piece, and a sentence where the file ends early."""

import gc
import os

import numpy as np
import pytest

from benchmark.data.store.signal_file import SignalFile
from benchmark.errors import DataError


@pytest.fixture
def samples(tmp_path):
    values = np.arange(1000, dtype="<i2")
    values.tofile(tmp_path / "signals.i16")
    return values


def test_recordings_are_read_in_the_order_asked_for(tmp_path, samples):
    starts = np.array([30, 40, 50, 900, 10, 20, 0])
    assert np.array_equal(SignalFile(tmp_path).read(starts, 10), [samples[s : s + 10] for s in starts])


def test_neighbours_are_read_in_one_piece(tmp_path, samples, monkeypatch):
    reads, preadv = [], os.preadv
    monkeypatch.setattr(os, "preadv", lambda *args: reads.append(args) or preadv(*args))
    SignalFile(tmp_path).read(np.array([30, 40, 50, 900]), 10)
    assert len(reads) == 2


def test_a_read_that_the_system_cuts_short_is_continued(tmp_path, samples, monkeypatch):
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, place: preadv(fd, [buffers[0][:7]], place))
    assert np.array_equal(SignalFile(tmp_path).read(np.array([3]), 20), [samples[3:23]])


def test_a_file_that_was_cut_off_is_named(tmp_path, samples):
    file = SignalFile(tmp_path)
    os.truncate(tmp_path / "signals.i16", 100)
    with pytest.raises(DataError, match=r"signals.i16 was changed or damaged .* it ends at byte 100"):
        file.read(np.array([40]), 20)


def test_spans_are_announced_once_where_they_touch(tmp_path, samples, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, place, length, advice: calls.append((place, length)))
    SignalFile(tmp_path).announce(np.array([0, 10, 50]), np.array([10, 20, 5]))
    assert calls == [(0, 60), (100, 10)]


def test_the_file_is_closed_with_its_last_reader(tmp_path, samples):
    file = SignalFile(tmp_path)
    descriptor = file._descriptor
    del file
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
