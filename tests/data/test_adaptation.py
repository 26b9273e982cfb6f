"""Adaptation to a spec, as properties: any rate, length, unit, gain and lead order; the same alone and in a batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.api import LEADS, SignalSpec
from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE
from benchmark.data.signals.signal import adapt, band_limit, check_spec, lead_positions, shared_gain, to_millivolt
from benchmark.errors import UsageError
from benchmark.testing import sample_recordings

ECG = sample_recordings(3, SignalSpec(rate=500.0)).numpy()
SCALINGS = ("millivolt", "minmax_record", "zscore_record", "zscore_lead")

specs = st.builds(
    SignalSpec,
    rate=st.sampled_from([100.0, 128.0, 250.0, 360.0, 500.0]),
    seconds=st.sampled_from([2.5, 7.0, 10.0, 12.0]),
    leads=st.permutations(LEADS).map(tuple) | st.just(("I", "II", *LEADS[6:])),
    scaling=st.sampled_from(SCALINGS),
    crop=st.sampled_from(["start", "centre"]),
    band_pass=st.sampled_from([None, (0.67, 40.0), (0.05, 47.0)]),
    notch=st.sampled_from([None, 49.0]),
)


@settings(max_examples=40, deadline=None)
@given(specs, st.sampled_from([100, 250, 257, 500, 1000]), st.integers(300, 5000))
def test_one_by_one_equals_batched_to_the_bit(spec, rate, samples):
    ecg = ECG[..., :samples]
    together = adapt(ecg, rate, spec)
    assert together.shape == (3, len(spec.leads), spec.samples) and together.dtype == np.float32
    assert np.isfinite(together).all()
    for row in range(3):
        assert np.array_equal(adapt(ecg[row : row + 1], rate, spec)[0], together[row])


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)), st.floats(50, 20000), st.integers(-500, 500), st.booleans())
def test_gain_baseline_case_and_order_of_the_file_do_not_matter(order, gain, baseline, upper):
    millivolt = ECG[0, :, :500].astype(np.float64)
    gains = gain * np.linspace(0.5, 1, 12)[:, None]
    gains = gains / np.abs(millivolt * gains).max() * min(30000, np.abs(millivolt * gains).max())  # into int16
    adc = np.round(millivolt * gains + baseline).astype(np.int16)
    names = tuple(LEADS[lead].upper() if upper else f"Lead {LEADS[lead]}" for lead in order)
    selection = list(order)
    converted = to_millivolt(adc[selection], gains[selection, 0], np.full(12, baseline))[lead_positions(names)]
    assert np.abs(converted - millivolt).max() <= 0.51 / gains.min()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([200.0, 1000.0, 4880.0]))
def test_one_conversion_to_millivolt_serves_one_recording_and_many(seed, gain):
    rng = np.random.default_rng(seed)
    adc = rng.integers(-32768, 32768, (3, 12, 50)).astype(np.int16)
    adc[1, 2, 7] = MISSING_SAMPLE
    gains, baselines = rng.uniform(50, 5000, (3, 12)), rng.integers(-500, 500, (3, 12))
    exact = np.where(adc == MISSING_SAMPLE, 0, (adc.astype(float) - baselines[..., None]) / gains[..., None])
    together = to_millivolt(adc, gains, baselines)
    assert together.dtype == np.float32 and np.array_equal(together, exact.astype(np.float32))
    for row in range(3):
        assert np.array_equal(to_millivolt(adc[row], gains[row], baselines[row]), together[row])
    fast = to_millivolt(adc, gain)
    assert np.array_equal(fast, np.where(adc == MISSING_SAMPLE, 0, adc * np.float32(1 / gain)))
    assert np.allclose(fast, to_millivolt(adc, np.full((3, 12), gain)), rtol=2e-7, atol=0)
    assert shared_gain(np.full((3, 12), gain), np.zeros((3, 12))) == gain
    assert shared_gain(gains, np.zeros((3, 12))) is None and shared_gain(np.full(12, gain), baselines[0]) is None


def test_padding_is_zero_and_stays_out_of_the_statistics():
    short = ECG[..., :3000] + 2.0
    for scaling in SCALINGS:
        output_signal = adapt(short, 500, SignalSpec(rate=500, scaling=scaling))
        alone = adapt(short, 500, SignalSpec(rate=500, seconds=6, scaling=scaling))
        assert np.array_equal(output_signal[..., :3000], alone) and not output_signal[..., 3000:].any(), scaling


def test_a_crop_is_taken_where_the_spec_says():
    start = adapt(ECG, 500, SignalSpec(rate=500, seconds=4))
    centre = adapt(ECG, 500, SignalSpec(rate=500, seconds=4, crop="centre"))
    assert np.array_equal(start, ECG[..., :2000]) and np.array_equal(centre, ECG[..., 1500:3500])


def tones(rate, *frequencies):
    time = np.arange(10 * rate) / rate
    return np.tile(sum(np.sin(2 * np.pi * f * time) for f in frequencies), (1, 12, 1)).astype(np.float32)


def test_filters_keep_the_band_without_a_phase_shift():
    inner = slice(1000, -1000)
    drift_and_hum = tones(500, 0.1, 10, 50, 120) + 3.0
    output_signal = adapt(drift_and_hum, 500, SignalSpec(rate=500, band_pass=(0.67, 40.0), notch=50.0))[0, 0, inner]
    assert np.abs(output_signal - tones(500, 10)[0, 0, inner]).max() < 0.06
    notched = adapt(drift_and_hum, 500, SignalSpec(rate=500, notch=50.0))[0, 0, inner]
    assert np.abs(notched - (tones(500, 0.1, 10, 120) + 3.0)[0, 0, inner]).max() < 0.03


def test_filters_work_at_the_source_rate_before_anything_can_alias():
    spec = SignalSpec(rate=100, band_pass=(0.67, 40.0))
    assert np.abs(adapt(tones(500, 10, 60), 500, spec) - tones(100, 10))[..., 200:-200].max() < 0.03


def test_a_flat_lead_is_zero_in_every_scaling_but_millivolt():
    ecg = ECG.copy()
    ecg[:, 3] = 1.2345
    for spec in (SignalSpec(scaling="zscore_lead"), SignalSpec(scaling="zscore_lead", band_pass=(0.67, 40.0))):
        assert not adapt(ecg, 500, spec)[:, 3].any()
    for scaling in SCALINGS[1:]:
        assert not adapt(np.full((1, 12, 5000), 1.2345, np.float32), 500, SignalSpec(scaling=scaling)).any()


def test_all_mistakes_of_a_spec_are_one_error():
    wrong = SignalSpec(
        100, 0, ("I", "V9", "I"), "percent", crop="end", band_pass=(0.5, 60), notch=70, min_seconds=-1  # type: ignore[arg-type]
    )  # fmt: skip
    with pytest.raises(UsageError) as error:
        check_spec(wrong)
    for part in (
        "seconds is 0", "unknown lead V9", "lead I stands twice", "unknown scaling 'percent'", "unknown crop 'end'",
        "band_pass reaches 60 Hz, 100 Hz hold less than 50 Hz", "notch is 70 Hz", "min_seconds is -1",
    ):  # fmt: skip
        assert part in str(error.value), part
    with pytest.raises(UsageError, match="two rising frequencies"):
        check_spec(SignalSpec(band_pass=(40, 0.5)))


def test_a_rate_above_the_recordings_own_is_said():
    assert band_limit(500, SignalSpec(rate=100)) is None and band_limit(100, SignalSpec(rate=100)) is None
    output = band_limit(100, SignalSpec(rate=500, band_pass=(0.67, 60), notch=50))
    assert "recorded at 100 Hz and resampled to 500 Hz" in output and "nothing above 50 Hz" in output
    assert "the low-pass at 60 Hz and the notch at 50 Hz had nothing to remove" in output
    output_signal = adapt(tones(100, 0.05, 10), 100, SignalSpec(rate=500, band_pass=(0.67, 60), notch=50))
    assert np.abs(output_signal - tones(500, 10))[..., 1000:-1000].max() < 0.03  # the high-pass is still there
