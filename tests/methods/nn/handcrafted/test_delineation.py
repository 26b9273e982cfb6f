"""Beats and waves of synthetic beat trains (sums of Gaussians) whose rate, intervals and amplitudes are known."""

import numpy as np
import pytest

from methods.nn.handcrafted.beats import (
    BEFORE,
    EDGE,
    GRID,
    analysis_grid,
    average_beats,
    detect_beats,
    find_beats,
    qrs_activity,
    slope,
)
from methods.nn.handcrafted.delineation import MS, find_borders, find_extremes, interpolate_at, measure_qrs, window_mask
from methods.nn.handcrafted.morphology import subtract_level

GAINS = np.array([0.7, 1.0, 0.3, -0.85, 0.2, 0.65, -0.4, 0.5, 0.9, 1.2, 1.1, 0.9])  # of R in each lead
WAVES = {"p": (-0.16, 0.15, 0.020), "q": (-0.03, -0.1, 0.008), "r": (0.0, 1.2, 0.012), "s": (0.03, -0.2, 0.008)}
T_WAVE = (0.28, 0.35, 0.045)  # seconds after R, millivolt, sigma in seconds


def train(times, rate=100.0, seconds=10.0, **changes):
    """Return a recording ``(1, 12, time)`` in millivolt with beats at `times` (seconds of R)."""
    t = np.arange(round(rate * seconds)) / rate
    lead = np.zeros_like(t)
    for shift, height, sigma in (WAVES | {"t": T_WAVE} | changes).values():
        for beat in times:
            lead += height * np.exp(-0.5 * ((t - beat - shift) / sigma) ** 2)
    return (GAINS[:, None] * lead)[None].astype(np.float32)


def regular(rr=0.8, seconds=10.0):
    return np.arange(0.5, seconds - 0.3, rr)


def borders_of(ecg, rate=100.0, rr=0.8):
    beats = find_beats(analysis_grid(ecg, rate)[0])
    return beats, find_borders(beats.median, np.array([rr * GRID]))


@pytest.mark.parametrize("rr", [0.35, 0.5, 0.8, 1.4])
@pytest.mark.parametrize("rate", [100.0, 500.0])
def test_every_beat_is_found_once(rr, rate):
    times = regular(rr)
    beats = find_beats(analysis_grid(train(times, rate, t=(0.2, 0.2, 0.03)), rate)[0])
    centres = (beats.times[0, beats.valid[0]] - EDGE) / GRID
    assert len(centres) == len(times)
    assert np.abs(centres - times).max() <= 0.03
    assert beats.typical[0, : len(times)].all()


def test_tall_t_waves_are_not_beats():
    beats = find_beats(analysis_grid(train(regular(), t=(0.28, 1.5, 0.05)), 100.0)[0])
    assert beats.valid.sum() == len(regular())


def test_one_noisy_lead_and_three_flat_ones_do_no_harm():
    ecg = train(regular())
    ecg[0, 7] = np.random.default_rng(0).normal(0, 3, ecg.shape[-1])
    ecg[0, 9:] = 0
    beats = find_beats(analysis_grid(ecg, 100.0)[0])
    assert beats.valid.sum() == len(regular())


def test_of_two_equal_maxima_one_is_a_beat():
    activity = np.zeros((1, 600), np.float32)
    activity[0, [300, 301, 310, 450]] = 1.0
    times, valid = detect_beats(activity)
    assert times[valid].tolist() == [300, 450]


def test_slope_of_a_ramp_is_its_slope():
    ramp = np.arange(50, dtype=np.float32) / GRID * 3.0  # 3 mV/s
    assert slope(ramp)[5:-5] == pytest.approx(3.0, rel=1e-4)


def test_intervals_are_measured():
    _, borders = borders_of(train(regular()))
    pr = (borders.qrs_on - borders.p_on) * MS
    qrs = (borders.qrs_off - borders.qrs_on) * MS
    qt = (borders.t_end - borders.qrs_on) * MS
    # P begins 1.55 sigma before its centre (30 % of its height), Q 2.2 sigma before its own
    assert pr[0] == pytest.approx(1000 * (0.16 + 1.55 * 0.020 - 0.03 - 2.2 * 0.008), abs=15)
    assert qrs[0] == pytest.approx(1000 * (0.06 + 4.4 * 0.008), abs=15)
    assert qt[0] == pytest.approx(1000 * (0.28 + 2 * 0.045 + 0.03 + 2.2 * 0.008), abs=20)  # tangent: 2 sigma


@pytest.mark.parametrize(
    ("changes", "name", "by"),
    [
        ({"p": (-0.22, 0.15, 0.020)}, "pr", 60),
        ({"t": (0.34, 0.35, 0.045)}, "qt", 60),
        ({"s": (0.07, -0.4, 0.012)}, "qrs", 48),
    ],
)
def test_intervals_follow_the_waves(changes, name, by):
    def intervals(ecg):
        _, b = borders_of(ecg, rr=1.0)
        return {"pr": b.qrs_on - b.p_on, "qt": b.t_end - b.qrs_on, "qrs": b.qrs_off - b.qrs_on}[name][0] * MS

    assert intervals(train(regular(1.0), **changes)) - intervals(train(regular(1.0))) == pytest.approx(by, abs=12)


def test_500_hz_agrees_with_100_hz():
    one, five = (borders_of(train(regular(), rate), rate)[1] for rate in (100.0, 500.0))
    for name in ("qrs_on", "qrs_off", "p_on", "t_end"):
        assert getattr(one, name)[0] == pytest.approx(getattr(five, name)[0], abs=1.5), name


def test_amplitudes_of_the_typical_beat():
    beats, borders = borders_of(train(regular(), r=(0.0, 1.2, 0.02), q=(-0.05, -0.2, 0.01)))
    beat = subtract_level(beats.median, borders)
    waves = measure_qrs(beat, window_mask(borders.qrs_on - 1, borders.qrs_off + 1))
    assert waves["r"][0, 1] == pytest.approx(1.2, rel=0.08)
    assert waves["deep"][0, 3] == pytest.approx(-0.85 * 1.2, rel=0.08)  # aVR is upside down
    assert waves["q"][0, 1] == pytest.approx(-0.15, abs=0.06)  # partly hidden under R
    high, low = find_extremes(beat, window_mask(borders.qrs_off + 6, borders.t_end + 2))
    assert high[0, 1] == pytest.approx(0.35, rel=0.12)
    assert low[0, 6] == pytest.approx(-0.4 * 0.35, rel=0.12)


def test_an_ectopic_beat_stays_out_of_the_typical_one():
    times = regular(0.9)
    clean = train(times)
    ectopic = train([times[4] - 0.35], r=(0.0, -2.0, 0.05), p=(0, 0, 1.0), q=(0, 0, 1.0), s=(0, 0, 1.0))
    without, with_it = (find_beats(analysis_grid(ecg, 100.0)[0]) for ecg in (clean, clean + ectopic))
    assert with_it.valid.sum() == without.valid.sum() + 1
    odd = with_it.valid & ~with_it.typical
    assert odd.sum() == 1
    assert (with_it.times[odd] - EDGE) / GRID == pytest.approx(times[4] - 0.35, abs=0.08)  # detected at a flank
    qrs = slice(BEFORE - 5, BEFORE + 6)
    assert np.abs(with_it.median - without.median)[..., qrs].max() < 0.05
    assert with_it.widths[odd] > 1.35 * with_it.widths[with_it.typical].mean()


def test_median_of_an_even_and_an_odd_number_of_beats():
    signal = np.zeros((1, 1000), np.float32)
    for time, height in ((300, 1.0), (450, 2.0), (600, 4.0), (750, 8.0)):
        signal[0, time] = height
    assert average_beats(signal, np.array([300, 450, 600]))[0][0, BEFORE] == 2.0
    assert average_beats(signal, np.array([300, 450, 600, 750]))[0][0, BEFORE] == 3.0


def test_flat_recordings_have_no_borders():
    beats, borders = borders_of(np.zeros((1, 12, 1000), np.float32))
    assert not beats.valid.any()
    assert np.isnan(borders.qrs_on).all()
    assert np.isnan(borders.t_end).all()
    assert not window_mask(borders.qrs_on, borders.qrs_off).any()
    assert (interpolate_at(beats.median, borders.t_peak) == 0).all()


def test_activity_ignores_the_scale():
    signal = analysis_grid(train(regular()), 100.0)[0]
    assert qrs_activity(signal * 50) == pytest.approx(qrs_activity(signal), abs=1e-3)
