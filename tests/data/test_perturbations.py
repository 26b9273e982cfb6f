"""Perturbations: physics (Einthoven, electrodes, bands, strengths), and noise that belongs to a recording alone."""

import numpy as np
import pytest

from benchmark.api import LEADS
from benchmark.data.signals.perturbations import ELECTRODES, NOISES, SWAPS, UNITS, lead_matrix, perturb
from benchmark.data.signals.signal import einthoven_residual
from benchmark.errors import UsageError

RATE = 500.0
IDS = [f"r{i}" for i in range(4)]


def still(n=4, samples=5000):
    return np.zeros((n, 12, samples), np.float32)


def strength_of(kind):
    return 1.0 if kind in SWAPS else 0.3


@pytest.mark.parametrize("kind", NOISES)
def test_noise_arises_at_electrodes_so_that_einthoven_holds(kind):
    output_signal = perturb(still(), RATE, kind, 0.3, IDS)
    assert output_signal.dtype == np.float32 and np.abs(output_signal).max() > 0.05
    assert einthoven_residual(output_signal).max() < 1e-5
    assert len({row.tobytes() for row in output_signal}) == len(IDS)


@pytest.mark.parametrize("kind", ["white", "muscle"])
def test_the_strength_is_the_rms_at_an_electrode(kind):
    output_signal = perturb(still(16), RATE, kind, 0.2, [str(i) for i in range(16)])
    rms = np.sqrt((output_signal**2).mean(axis=(0, 2)))
    assert rms[LEADS.index("II")] == pytest.approx(0.2 * np.sqrt(2), rel=0.1)
    assert rms[LEADS.index("V3")] == pytest.approx(0.2 * np.sqrt(4 / 3), rel=0.1)


def test_each_kind_stays_in_its_band():
    def power(kind):
        spectrum = np.abs(np.fft.rfft(perturb(still(), RATE, kind, 0.3, IDS))) ** 2
        return spectrum.sum(axis=(0, 1)) / spectrum.sum(), np.fft.rfftfreq(5000, 1 / RATE)

    share, frequencies = power("powerline")
    assert share[np.abs(frequencies - 50) < 0.2].sum() > 0.99
    share, frequencies = power("wander")
    assert share[frequencies < 0.8].sum() > 0.98
    share, frequencies = power("muscle")
    assert share[(frequencies > 19) & (frequencies < 151)].sum() > 0.99


def test_waves_have_the_stated_amplitude():
    for kind in ("wander", "powerline"):
        assert np.abs(perturb(still(), RATE, kind, 0.5, IDS)).max() <= 0.5 * 2 + 1e-6


@pytest.mark.parametrize("kind", UNITS)
def test_a_recording_draws_for_itself(kind):
    ecg = np.random.default_rng(0).normal(size=(4, 12, 500)).astype(np.float32)
    together = perturb(ecg, RATE, kind, strength_of(kind), IDS)
    alone = np.concatenate([perturb(ecg[i : i + 1], RATE, kind, strength_of(kind), [IDS[i]]) for i in range(4)])
    assert np.array_equal(together, alone)
    assert not np.array_equal(together, ecg)


def test_strengths_scale_one_noise_and_seeds_draw_another():
    weak, strong = (perturb(still(), RATE, "muscle", strength, IDS) for strength in (0.1, 0.4))
    np.testing.assert_allclose(4 * weak, strong, atol=1e-6)
    assert not np.allclose(strong, perturb(still(), RATE, "muscle", 0.4, IDS, seed=1))


@pytest.mark.parametrize(
    ("kind", "pair"), [("swap_arms", ("RA", "LA")), ("swap_left", ("LA", "LL")), ("swap_chest", ("V1", "V2"))]
)
def test_a_swap_is_what_exchanged_electrodes_record(kind, pair):
    electrodes = np.random.default_rng(1).normal(size=(3, 9, 50)).astype(np.float32)
    order = list(range(9))
    a, b = (ELECTRODES.index(name) for name in pair)
    order[a], order[b] = b, a
    output_signal = perturb(lead_matrix() @ electrodes, RATE, kind, 1.0, IDS[:3])
    np.testing.assert_allclose(output_signal, lead_matrix() @ electrodes[:, order], atol=1e-5)


def test_a_share_of_recordings_is_swapped():
    ecg = np.random.default_rng(0).normal(size=(400, 12, 4)).astype(np.float32)
    ids = [str(i) for i in range(400)]
    quarter, half = ((perturb(ecg, RATE, "swap_arms", share, ids) != ecg).any(axis=(1, 2)) for share in (0.25, 0.5))
    assert 0.18 < quarter.mean() < 0.32 and 0.42 < half.mean() < 0.58
    assert not (quarter & ~half).any()  # who is swapped at a quarter is swapped at a half


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UsageError, match=r"no perturbation 'muscel' \(did you mean 'muscle'\?\)"):
        perturb(still(), RATE, "muscel", 1, IDS)
    with pytest.raises(UsageError, match="up to 1, a share"):
        perturb(still(), RATE, "swap_arms", 2, IDS)
    with pytest.raises(UsageError, match="above 0, in mV"):
        perturb(still(), RATE, "white", 0, IDS)
    with pytest.raises(UsageError, match="100 Hz cannot hold powerline noise"):
        perturb(still(), 100.0, "powerline", 0.1, IDS)
