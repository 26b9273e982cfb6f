"""ECGFounder: files with the official names, and the input that its weights expect."""

import numpy as np
import pytest
import torch
from scipy.signal import butter, filtfilt, iirnotch, medfilt

from benchmark.data.signals.signal import adapt
from benchmark.engine.building import build
from benchmark.errors import MissingError

SMALL = {"filters": (16, 32), "blocks": (1, 2)}


def official(method):
    """Return a state dict like the official class's, with norms that it skips and an output layer."""
    state = {name.removeprefix("encoder."): value for name, value in method.state_dict().items()}
    state |= {f"first_bn.{part}": torch.ones(64) for part in ("weight", "bias", "running_mean", "running_var")}
    state |= {f"stage_list.1.block_list.0.bn{i}.weight": torch.ones(16) for i in (1, 2, 3)}
    return {**state, "dense.weight": torch.zeros(150, 32), "dense.bias": torch.zeros(150)}


def test_an_official_file_loads_with_what_its_training_left_beside_the_weights(tmp_path):
    method, path = build("ecgfounder", SMALL), tmp_path / "12_lead_ECGFounder.pth"
    state = official(method)
    assert {"first_conv.conv.weight", "stage_list.1.block_list.1.se_fc2.bias"} < state.keys()
    torch.save({"state_dict": state, "step": 10000, "val_auroc": np.float64(0.92)}, path)
    copy, ecg = build("ecgfounder", SMALL, path, seed=1), torch.randn(2, 12, 5000)
    with torch.no_grad():
        assert torch.equal(copy.ecg_features(ecg), method.ecg_features(ecg))
    del state["first_conv.conv.bias"]
    torch.save({"state_dict": state}, path)
    with pytest.raises(MissingError, match=r"encoder.first_conv.conv.bias is missing"):
        build("ecgfounder", SMALL, path)


def test_the_input_is_what_the_published_weights_learnt_from():
    """Notch, band-pass, minus a median over 0.4 s, then one mean and deviation per recording, all by scipy."""
    ecg = np.random.default_rng(0).normal(size=(1, 12, 5000)).cumsum(-1).astype(np.float32) / 50
    signal = adapt(ecg, 500, build("ecgfounder", SMALL).signal)[0]
    x = ecg[0].astype(np.float64)
    for b, a in (iirnotch(50, 30, 500), butter(4, (0.67, 40), "bandpass", fs=500)):
        x = filtfilt(b, a, x)
    x -= np.stack([medfilt(lead, 201) for lead in x])
    expected = (x - x.mean()) / x.std()
    inner = slice(500, -500)  # at the ends the two implementations of the filter differ
    assert np.abs(signal - expected)[:, inner].max() < 0.02 * np.abs(expected).max()
    plain = build("ecgfounder", {**SMALL, "filtered": False}).signal
    assert (plain.notch, plain.band_pass, plain.median_baseline) == (None, None, 0.0)
