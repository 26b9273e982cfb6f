"""The handcrafted baseline on synthetic rhythms: known rates and patterns, finite values, no effect of the batch."""

import numpy as np
import pytest
import torch

from benchmark.api import LEADS, SignalSpec
from benchmark.errors import UsageError
from benchmark.registry import METHODS
from methods.handcrafted import CHUNK, NEUTRAL, Handcrafted

GAINS = np.array([0.7, 1.0, 0.3, -0.85, 0.2, 0.65, -0.4, 0.5, 0.9, 1.2, 1.1, 0.9])
WAVES = ((-0.16, 0.15, 0.020), (-0.03, -0.1, 0.010), (0.0, 1.2, 0.012), (0.03, -0.2, 0.010), (0.28, 0.35, 0.045))
WIDE = ((0.0, -1.8, 0.05), (0.3, 0.6, 0.06))  # a ventricular beat: no P, broad, opposite T


def beats_at(times, rate=100.0, waves=WAVES, noise=0.0, seed=0):
    t = np.arange(round(rate * 10)) / rate
    lead = sum(h * np.exp(-0.5 * ((t - beat - at) / s) ** 2) for beat in times for at, h, s in waves) + 0 * t
    ecg = GAINS[:, None] * lead
    return (ecg + noise * np.random.default_rng(seed).normal(size=ecg.shape)).astype(np.float32)


def features(*recordings, rate=100.0):
    method = Handcrafted(rate=rate)
    values = method.ecg_features(torch.from_numpy(np.stack(recordings))).numpy()
    rows = [dict(zip(method.feature_names, row, strict=True)) for row in values]
    return rows[0] if len(rows) == 1 else rows


REGULAR = np.arange(0.5, 9.8, 0.8)


def odd_recordings():
    """Return recordings that break careless code, by name."""
    rng = np.random.default_rng(1)
    good = beats_at(REGULAR, noise=0.02)
    flat_lead, gap, spike, infinite = good.copy(), good.copy(), np.zeros_like(good), good.copy()
    flat_lead[[1, 6]] = 0
    gap[:, 300:500] = np.nan
    spike[:, 500] = 5.0
    infinite[3, 7] = np.inf
    return {
        "zeros": np.zeros_like(good),
        "constant": np.full_like(good, 2.5),
        "one flat lead": flat_lead,
        "a gap": gap,
        "only nan": np.full_like(good, np.nan),
        "infinite": infinite,
        "noise": rng.normal(size=good.shape).astype(np.float32),
        "one spike": spike,
        "one beat": beats_at([5.0]),
        "two beats": beats_at([3.0, 6.0]),
        "first and last sample": beats_at([0.0, 9.99]),
        "tiny": good * np.float32(1e-9),
        "huge": good * np.float32(1e30),
        "steps": np.tile(np.sign(np.sin(np.arange(1000) / 40)), (12, 1)).astype(np.float32),
        "good": good,
    }


def test_registered_with_its_signal():
    assert METHODS.get("handcrafted") is Handcrafted
    assert Handcrafted(rate=250.0).signal == SignalSpec(rate=250.0, seconds=10.0, leads=LEADS, scaling="millivolt")
    names = Handcrafted().feature_names
    assert len(names) == len(set(names))
    assert set(NEUTRAL) <= set(names)


@pytest.mark.parametrize("arguments", [{"rate": 20.0}, {"seconds": 0.5}, {"rate": float("nan")}])
def test_impossible_configurations_are_refused(arguments):
    with pytest.raises(UsageError, match="handcrafted needs"):
        Handcrafted(**arguments)


@pytest.mark.parametrize("rate", [100.0, 500.0])
def test_a_healthy_beat_train(rate):
    row = features(beats_at(REGULAR, rate), rate=rate)
    assert row["rate_mean"] == pytest.approx(75, abs=0.5)
    assert row["rate_max"] == pytest.approx(75, abs=2)
    assert row["pr"] == pytest.approx(141, abs=15)
    assert row["qrs"] == pytest.approx(104, abs=15)
    assert row["qt"] == pytest.approx(422, abs=20)
    assert row["qtc_bazett"] == pytest.approx(row["qt"] / np.sqrt(0.8), rel=0.01)
    assert row["r_II"] == pytest.approx(np.arcsinh(1.2 / 0.5), rel=0.1)
    assert row["odd_any"] == row["no_rhythm"] == row["no_borders"] == row["flat_leads"] == 0
    assert np.degrees(row["qrs_axis"]) == pytest.approx(np.degrees(np.arctan2(1.3 / np.sqrt(3), 0.7)), abs=3)


@pytest.mark.parametrize("rate", [45, 60, 120, 170])
def test_heart_rate(rate):
    short = tuple((at if at < 0.1 else 0.2, h, min(s, 0.03)) for at, h, s in WAVES)
    assert features(beats_at(np.arange(0.3, 9.9, 60 / rate), waves=short))["rate_usual"] == pytest.approx(
        rate, rel=0.03
    )


def test_ventricular_bigeminy():
    normal, wide = np.arange(0.5, 9.5, 1.6), np.arange(1.0, 9.5, 1.6)
    row, calm = features(beats_at(normal) + beats_at(wide, waves=WIDE), beats_at(REGULAR))
    assert row["rr_lag_1"] < -0.6
    assert row["rr_lag_2"] > 0.5
    assert row["odd_share"] == pytest.approx(0.5, abs=0.06)
    assert row["odd_alternates"] > 0.3
    assert row["odd_wide_any"] == 1
    assert calm["odd_alternates"] == calm["odd_share"] == 0


def test_an_early_beat_of_usual_shape_is_no_ventricular_one():
    times = np.array([0.5, 1.3, 2.1, 2.65, 3.7, 4.5, 5.3, 6.1, 6.9, 7.7, 8.5, 9.3])
    row = features(beats_at(times))
    assert row["usual_early_any"] == row["usual_early_pause"] == 1
    assert row["odd_any"] == 0
    assert row["shortest"] == pytest.approx(0.55 / 0.8, abs=0.03)
    assert row["longest"] == pytest.approx(1.05 / 0.8, abs=0.03)


def test_fibrillation_against_sinus_rhythm():
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.45, 1.0, 14))
    waves = beats_at(times[times < 9.7], waves=WAVES[1:], noise=0.01)
    waves += 0.08 * np.sin(2 * np.pi * 6.5 * np.arange(1000) / 100 + 0.5).astype(np.float32)
    fibrillation, sinus = features(waves, beats_at(REGULAR, noise=0.01))
    assert fibrillation["rr_jumps"] > sinus["rr_jumps"] + 1
    assert fibrillation["p_steady"] < sinus["p_steady"] - 1
    assert fibrillation["atrial_II_at"] == pytest.approx(6.5, abs=0.3)
    assert fibrillation["atrial_II_5.5"] > sinus["atrial_II_5.5"] + 2


def test_st_and_t_changes_show_in_their_lead():
    depressed = beats_at(REGULAR)
    shift = beats_at(REGULAR, waves=((0.12, -0.3, 0.03),))
    depressed[10] += shift[1]
    before, after = features(beats_at(REGULAR), depressed)
    assert after["st_60_V5"] < before["st_60_V5"] - 0.5
    assert after["st_depressed"] < before["st_depressed"] - 0.1
    assert after["st_60_V2"] == pytest.approx(before["st_60_V2"], abs=0.1)


def test_swapped_arms_turn_lead_one_and_the_axis():
    right = beats_at(REGULAR)
    swapped = right.copy()
    swapped[0], swapped[[1, 2]], swapped[[3, 4]] = -right[0], right[[2, 1]], right[[4, 3]]
    a, b = features(right, swapped)
    assert a["qrs_axis_cos"] > 0.5
    assert b["qrs_axis_cos"] < -0.5
    assert b["r_III"] == pytest.approx(a["r_II"], rel=0.05)
    assert b["rate_mean"] == a["rate_mean"]
    assert b["r_V4"] == pytest.approx(a["r_V4"], rel=0.05)


def test_a_factor_of_1000_changes_amplitudes_and_no_times():
    a, b = features(beats_at(REGULAR), beats_at(REGULAR) * np.float32(1e3))
    for name in ("rate_mean", "pr", "qrs", "qt", "likeness_min", "qrs_axis", "odd_share"):
        assert b[name] == pytest.approx(a[name], rel=0.02, abs=0.02), name
    for name in ("r_II", "sokolow", "limb_span", "t_high_V4", "band_II_8"):
        assert b[name] > a[name] + 3, name


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", odd_recordings())
def test_always_finite(name):
    row = features(odd_recordings()[name])
    assert np.isfinite(list(row.values())).all()


def test_measures_that_cannot_be_taken_are_neutral_and_flagged():
    rows = dict(zip(odd_recordings(), features(*odd_recordings().values()), strict=True))
    zeros = rows["zeros"]
    assert (zeros["flat_leads"], zeros["no_rhythm"], zeros["no_borders"], zeros["beats"]) == (12, 1, 1, 0)
    assert {name: pytest.approx(value) for name, value in NEUTRAL.items()} == {name: zeros[name] for name in NEUTRAL}
    assert zeros["r_II"] == zeros["st_60_V2"] == zeros["t_low_V1"] == 0
    assert rows["one flat lead"]["flat_leads"] == 2
    assert rows["one flat lead"]["rate_mean"] == pytest.approx(75, abs=1)
    assert rows["one beat"]["no_rhythm"] == 1
    assert rows["one beat"]["no_borders"] == 0
    assert rows["one beat"]["r_II"] == pytest.approx(np.arcsinh(1.2 / 0.5), rel=0.1)
    assert rows["good"]["no_rhythm"] == rows["good"]["no_borders"] == rows["good"]["flat_leads"] == 0


def test_missing_samples_count_as_zero():
    gap = beats_at(REGULAR)
    gap[:, 300:420] = np.nan
    assert features(gap) == features(np.nan_to_num(gap, nan=0.0))


def test_one_by_one_equals_batched():
    rng = np.random.default_rng(5)
    batch = [beats_at(np.cumsum(rng.uniform(0.4, 1.1, 20)), noise=0.05, seed=k) for k in range(CHUNK + 8)]
    batch = torch.from_numpy(np.stack([*batch, *odd_recordings().values()]))
    method = Handcrafted()
    together = method.ecg_features(batch)
    alone = torch.cat([method.ecg_features(batch[k : k + 1]) for k in range(len(batch))])
    reversed_ = method.ecg_features(batch.flip(0)).flip(0)
    assert together.dtype == torch.float32
    assert together.shape == (len(batch), len(method.feature_names))
    assert torch.equal(together, alone)
    assert torch.equal(together, reversed_)


def test_the_input_is_left_alone_and_an_empty_batch_is_fine():
    ecg = torch.from_numpy(beats_at(REGULAR))[None]
    ecg[0, 0, 5] = float("nan")
    before = ecg.clone()
    method = Handcrafted()
    method.ecg_features(ecg)
    assert torch.equal(torch.nan_to_num(ecg, 9), torch.nan_to_num(before, 9))
    assert method.ecg_features(ecg[:0]).shape == (0, len(method.feature_names))
