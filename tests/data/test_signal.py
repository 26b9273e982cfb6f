"""Signal adaptation: leads by name, resampling, length, scaling; and that a swap or a wrong unit shows."""

import numpy as np
import pytest

from benchmark.api import LEADS, SignalSpec
from benchmark.data.signals.signal import adapt, einthoven_residual, lead_positions
from benchmark.errors import UsageError
from benchmark.testing import sample_recordings


@pytest.fixture(scope="module")
def ecg():
    return sample_recordings(4).numpy()


def test_leads_are_found_by_name_whatever_their_case_and_order():
    names = ["V6", "I", "AVF", "III", "avr", "II", "V1", "aVL", "V2", "V3", "V4", "V5"]
    assert [names[i].lower() for i in lead_positions(names)] == [lead.lower() for lead in LEADS]


def test_missing_and_doubled_leads_are_all_named():
    with pytest.raises(ValueError, match=r"lead V6 is missing; lead I occurs twice"):
        lead_positions(["I", "I", *LEADS[1:-1]])


@pytest.mark.parametrize("a, b", [(0, 1), (0, 2), (1, 2), (3, 4), (4, 5), (2, 5)])
def test_swapped_limb_leads_break_einthoven(ecg, a, b):
    assert einthoven_residual(ecg).max() < 0.01
    swapped = ecg.copy()
    swapped[:, [a, b]] = swapped[:, [b, a]]
    assert einthoven_residual(swapped).min() > 0.05


def test_a_lead_in_the_wrong_unit_breaks_einthoven(ecg):
    wrong = ecg.copy()
    wrong[:, 2] *= 1000
    assert einthoven_residual(wrong).min() > 1


def test_a_spec_gets_its_leads_in_its_order(ecg):
    mimic = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
    output_signal = adapt(ecg, 100, SignalSpec(rate=100, leads=mimic))
    assert np.array_equal(output_signal[:, 4], ecg[:, 5]) and np.array_equal(output_signal[:, 5], ecg[:, 4])
    with pytest.raises(UsageError, match="unknown lead V9"):
        adapt(ecg, 100, SignalSpec(rate=100, leads=("I", "V9")))


@pytest.mark.parametrize("rate", [50, 250, 257, 500])
def test_resampling_keeps_a_sine(rate):
    time = np.arange(1000) / 100
    sine = np.tile(np.sin(2 * np.pi * 5 * time), (1, 12, 1)).astype(np.float32)
    output_signal = adapt(sine, 100, SignalSpec(rate=rate))
    expected = np.sin(2 * np.pi * 5 * np.arange(rate * 10) / rate)
    inner = slice(rate, -rate)  # the filter needs a second at each end
    assert np.abs(output_signal[0, 0, inner] - expected[inner]).max() < 0.02


def test_down_sampling_removes_what_would_alias():
    hum = np.tile(np.sin(2 * np.pi * 180 * np.arange(5000) / 500), (1, 12, 1))
    assert np.abs(adapt(hum, 500, SignalSpec(rate=100))[..., 100:-100]).max() < 0.05


def test_short_recordings_are_padded_and_long_ones_cropped(ecg):
    assert np.array_equal(adapt(ecg, 100, SignalSpec(rate=100, seconds=5)), ecg[..., :500])
    padded = adapt(ecg, 100, SignalSpec(rate=100, seconds=12))
    assert padded.shape[-1] == 1200 and not padded[..., 1000:].any()


@pytest.mark.parametrize("scaling", ["millivolt", "minmax_record", "zscore_record", "zscore_lead"])
@pytest.mark.parametrize("rate", [100, 250])
def test_one_by_one_equals_batched(ecg, scaling, rate):
    spec = SignalSpec(rate=rate, scaling=scaling)
    alone = np.concatenate([adapt(ecg[i : i + 1], 100, spec) for i in range(len(ecg))])
    assert np.array_equal(adapt(ecg, 100, spec), alone)


def test_scalings_do_what_they_say(ecg):
    low_high = adapt(ecg, 100, SignalSpec(rate=100, scaling="minmax_record"))
    assert low_high.min(axis=(1, 2)) == pytest.approx(0) and low_high.max(axis=(1, 2)) == pytest.approx(1, abs=1e-5)
    by_lead = adapt(ecg, 100, SignalSpec(rate=100, scaling="zscore_lead"))
    assert np.allclose(by_lead.mean(-1), 0, atol=1e-4) and np.allclose(by_lead.std(-1), 1, atol=1e-3)
    flat = np.zeros((1, 12, 1000), np.float32)
    assert not adapt(flat, 100, SignalSpec(rate=100, scaling="zscore_lead")).any()
    with pytest.raises(UsageError, match="unknown scaling"):
        adapt(ecg, 100, SignalSpec(rate=100, scaling="percent"))


@pytest.mark.parametrize("name", ["Lead -aVR", "ECG_-aVR", "lead--aVR", "-aVR"])
def test_a_lead_that_was_turned_over_is_not_the_lead(name):
    with pytest.raises(ValueError, match="lead aVR is missing"):
        lead_positions(["I", "II", "III", name, *LEADS[4:]])


@pytest.mark.parametrize("name", ["lead aVR", "LEAD_AVR", "ECG-avr", "lead - aVR", "leadaVR"])
def test_a_word_before_a_lead_is_no_part_of_its_name(name):
    assert list(lead_positions(["I", "II", "III", name, *LEADS[4:]])) == list(range(12))
