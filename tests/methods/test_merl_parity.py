"""MERL against activations of the official classes, for weights and inputs in closed form (golden/deri_merl.json)."""

import json
import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from methods.merl import MERL
from methods.nn.contrastive import clip_loss, retrieval_accuracy

SHARED = Path(os.environ.get("ECGBENCH_SHARED", Path(__file__).parents[2] / "../shared"))
GOLDEN = SHARED / "golden" / "deri_merl.json"
KEYS = SHARED / "specs" / "deri_state_dict.txt"
pytestmark = pytest.mark.skipif(not GOLDEN.is_file(), reason=f"no official activations at {GOLDEN}")
TOLERANCE = 1e-4  # relative, float32


def golden(entry):
    return json.loads(GOLDEN.read_text())[entry]


def closed_form(name, tensor):
    """The weight called `name`, from its name alone (the recipe of the golden file)."""
    draw = np.random.RandomState(zlib.crc32(name.encode()) ^ 1).standard_normal(tensor.numel())
    if name.endswith("running_var"):
        draw = 1 + 0.1 * np.abs(draw)
    elif name.endswith("running_mean"):
        draw = 0.05 * draw
    elif tensor.ndim >= 2:
        draw = draw * np.sqrt(2 / np.prod(tensor.shape[1:]))
    elif name.endswith("bias"):
        draw = 0.01 * draw
    elif name.endswith("weight"):
        draw = 1 + 0.1 * draw
    else:
        draw = 0.1 * draw
    return torch.from_numpy(draw.reshape(tensor.shape)).float()


def official(encoder):
    method = MERL(encoder=encoder, text_model=None)
    state = {k: v if v.dtype == torch.int64 else closed_form(k, v) for k, v in method.state_dict().items()}
    method.load_state_dict(state)
    return method.eval()


def inputs():
    ecg = 1 / (1 + np.exp(-np.random.RandomState(1).standard_normal((3, 12, 5000))))
    pooled = np.tanh(np.random.RandomState(2).standard_normal((3, 768)))
    return torch.from_numpy(ecg).float(), torch.from_numpy(pooled).float()


def activations(method):
    ecg, pooled = inputs()
    with torch.no_grad():
        aligned, first, second = method.ecg_views(ecg)
        return {
            "encoder_out": method.ecg_encoder(ecg),
            "ext_ecg_emb": method.ecg_embeddings(ecg),
            "forward.ecg_emb[0]": first,
            "forward.ecg_emb[1]": second,
            "forward.proj_ecg_emb[0]": F.normalize(aligned, dim=-1),
            "forward.proj_text_emb[0]": F.normalize(method.project_text(pooled), dim=-1),
        }


def relative_errors(found, expected):
    """Largest error of the listed values and the norm, relative to the size of the tensor's values."""
    flat = found.double().flatten()
    scale = expected["norm"] / flat.numel() ** 0.5  # root mean square
    values = torch.cat([flat[:5], flat[-3:]])
    listed = torch.tensor(expected["first5"] + expected["last3"], dtype=torch.float64)
    return {
        "values": ((values - listed).abs().max() / scale).item(),
        "norm": abs(flat.norm().item() / expected["norm"] - 1),
        "mean": abs(flat.mean().item() - expected["mean"]) / scale,
    }


@pytest.mark.parametrize("encoder", ["resnet18", "vit_tiny"])
def test_activations_equal_the_official_ones(encoder):
    expected = golden(f"merl_{encoder}")
    method = official(encoder)
    assert len(method.state_dict()) == expected.pop("n_keys")
    found = activations(method)
    assert set(found) == set(expected)
    for name, entry in expected.items():
        assert list(found[name].shape) == entry["shape"], name
        errors = relative_errors(found[name], entry)
        print(encoder, name, errors)
        assert max(errors.values()) < TOLERANCE, (name, errors)


@pytest.mark.parametrize(
    ("encoder", "heading"), [("resnet18", "MERL class (utils"), ("vit_tiny", "MERL class vit_tiny")]
)
def test_parameters_carry_the_official_names_and_shapes(encoder, heading):
    listing = KEYS.read_text().split(heading)[1].split("\n# ")[0]
    expected = dict(re.findall(r"^(\S+)\t\((.*?)\)", listing, flags=re.M))
    found = {
        k: ", ".join(map(str, v.shape)) + "," * (v.ndim == 1)
        for k, v in MERL(encoder, text_model=None).state_dict().items()
    }
    assert found == expected


def test_clip_loss_equals_the_official_one():
    expected = golden("clip_loss")
    index = torch.arange(16 * 256, dtype=torch.float64)
    x = torch.sin(0.37 * index + 0.3).float().view(16, 256)
    y = torch.sin(0.41 * index + 0.9).float().view(16, 256)
    assert clip_loss(x, y, expected["tau"]).item() == pytest.approx(expected["loss"], rel=1e-5)
    assert retrieval_accuracy(x, y, 1) == pytest.approx(expected["acc1"])
    assert retrieval_accuracy(x, y, 5) == pytest.approx(expected["acc5"])
