"""ST-MEM's own preparation equals the official steps, and each crop is filtered by itself."""

import json

import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfiltfilt

from benchmark.api import SignalSpec
from benchmark.data.signals.signal import adapt
from methods.nn.st_mem.official_input import OfficialInput


@pytest.fixture(scope="module")
def official():
    return OfficialInput(2250, 250.0, (0.67, 40.0))


def test_the_prepared_crop_equals_the_official_one(shared, official):
    golden = json.loads((shared / "golden" / "stmem.json").read_text("utf-8"))["filters_and_scaling"]
    walk = 0.3 * np.cumsum(np.random.RandomState(2).standard_normal((12, 2250)), -1) / 20
    crop = official(torch.from_numpy(walk).float()[None])[0].double()
    assert list(crop.shape) == golden["shape"]
    assert crop.norm().item() == pytest.approx(golden["norm"], rel=1e-5)
    assert crop.flatten()[:5].tolist() == pytest.approx(golden["first5"], abs=1e-4)
    assert crop.flatten()[-3:].tolist() == pytest.approx(golden["last3"], abs=1e-4)


def test_crops_start_at_the_official_places_and_are_filtered_one_by_one(shared, official):
    starts = json.loads((shared / "golden" / "stmem.json").read_text("utf-8"))["n_crop_starts_of_2500"]
    ecg = torch.randn(2, 12, 2500, generator=torch.Generator().manual_seed(0)).cumsum(-1) / 20
    for start, crop in zip(starts, official.crops(ecg, 3), strict=True):
        expected = ecg[..., start : start + 2250].double().numpy()
        for frequency, kind in ((0.67, "highpass"), (40.0, "lowpass")):
            expected = sosfiltfilt(butter(5, frequency, kind, fs=250.0, output="sos"), expected, axis=-1)
        expected -= expected.mean((1, 2), keepdims=True)
        expected /= expected.std((1, 2), keepdims=True)
        np.testing.assert_allclose(crop.numpy(), expected, atol=1e-3)


def test_a_silent_recording_stays_silent_and_coinciding_crops_are_one():
    small = OfficialInput(200, 100.0, None)
    assert not small(torch.zeros(1, 12, 200)).any() and not small(torch.full((1, 12, 200), 3.0)).any()
    assert len(small.crops(torch.randn(1, 12, 200), 3)) == 1


def test_the_fourier_method_is_scipys():
    from scipy.signal import resample

    ecg = np.random.default_rng(0).normal(size=(2, 12, 1000))
    crop = adapt(ecg, 100.0, SignalSpec(250.0, 10.0, resampling="fourier"))
    np.testing.assert_allclose(crop, resample(ecg, 2500, axis=-1), atol=1e-5)
