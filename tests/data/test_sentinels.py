"""Sentinels: sound recordings pass, every swap, factor of 1000 and wrong rate is seen."""

import functools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmark.api import LEADS, SignalSpec
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.signals.sanity_checks import heart_rate, precordial_order, watch
from benchmark.data.signals.signal import lead_positions, to_millivolt
from benchmark.testing import sample_recordings

RATE = 100
ECG = sample_recordings(60, SignalSpec(rate=RATE)).numpy()


def millivolt_of(stem):
    """One file in the order of `LEADS`."""
    raw = read_wfdb(stem)
    return to_millivolt(raw.adc, raw.gain, raw.baseline)[lead_positions(raw.leads)]


@functools.cache
def real(shared):
    """The 80 recordings of PTB-XL at 500 Hz, every fifth sample."""
    stems = sorted((shared / "data" / "ptb-xl" / "records500").rglob("*.hea"))
    return np.stack([millivolt_of(stem.with_suffix(""))[:, ::5] for stem in stems])


def raised(ecg, rate=RATE):
    return {alarm.sentinel for alarm in watch(ecg, rate)}


def test_sound_recordings_raise_no_alarm(shared):
    assert raised(ECG) == set() and raised(real(shared)) == set()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 11), st.integers(0, 11), st.integers(0, 59))
def test_a_swap_of_any_two_leads_is_seen(first, second, start):
    assume(first != second)
    swapped = np.roll(ECG, start, axis=0)[:40]
    swapped[:, [first, second]] = swapped[:, [second, first]]
    assert raised(swapped) & {"limb leads", "chest leads"}, (LEADS[first], LEADS[second])


def test_every_swap_is_seen_in_real_recordings(shared):
    for first in range(12):
        for second in range(first):
            swapped = real(shared).copy()
            swapped[:, [first, second]] = swapped[:, [second, first]]
            assert raised(swapped) & {"limb leads", "chest leads"}, (LEADS[first], LEADS[second])


def test_mirrored_chest_leads_are_seen(shared):
    for ecg in (ECG, real(shared)):
        assert precordial_order(ecg) == (0, 1, 2, 3, 4, 5)
        mirrored = ecg[:, [*range(6), *range(11, 5, -1)]]
        assert precordial_order(mirrored) == (5, 4, 3, 2, 1, 0)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([1000.0, 1e-3]), st.integers(0, 59), st.integers(1, 60))
def test_a_factor_of_1000_is_seen_in_a_single_recording(factor, start, count):
    ecg = np.roll(ECG, start, axis=0)[:count]
    alarms = [alarm for alarm in watch(ecg * np.float32(factor), RATE) if alarm.sentinel == "unit"]
    assert len(alarms) == 1 and len(alarms[0].rows) == count


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0.1, 0.2, 0.4, 0.5, 2.0, 2.5, 4.0, 5.0]), st.integers(0, 59))
def test_a_wrong_rate_is_seen(factor, start):
    assert "rate" in raised(np.roll(ECG, start, axis=0)[:40], RATE * factor)


@pytest.mark.parametrize("factor", [0.2, 0.5, 2.0, 5.0])
def test_a_wrong_rate_is_seen_in_real_recordings(shared, factor):
    assert raised(real(shared), RATE * factor) == {"rate"}


def test_the_heart_rate_is_that_of_the_beats():
    beats = np.zeros((2, 12, 1000), np.float32)
    beats[0, :, ::80] = 1.0  # 75 beats per minute
    beats[1, :, ::125] = 1.0  # 48
    result = heart_rate(beats + np.random.default_rng(0).normal(0, 0.01, beats.shape), RATE)
    assert result == pytest.approx([75, 48], rel=0.03)
    assert np.isnan(heart_rate(np.zeros((1, 12, 1000)), RATE)).all()


def test_leads_are_placed_by_name_only():
    assert list(lead_positions(LEADS[::-1])) == list(range(11, -1, -1))
