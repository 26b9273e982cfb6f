"""DERI and MERL against the official classes: closed-form weights in an official file, loaded as a user loads them.

``golden/deri_merl.json`` holds the outputs of those classes for weights and inputs that its `recipe` defines in closed
form. Every entry of the file is a test; one without a counterpart here fails.
"""

from __future__ import annotations

import functools
import json
import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from benchmark.canonical import file_sha256
from benchmark.engine.building import build
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from methods.nn.contrastive import clip_loss, retrieval_accuracy
from methods.nn.text import TextOutput

SHARED = Path(os.environ.get("ECGARENA_SHARED", Path(__file__).parents[2] / "../shared"))
GOLDEN = SHARED / "golden" / "deri_merl.json"
KEYS = SHARED / "specs" / "deri_state_dict.txt"
pytestmark = pytest.mark.skipif(not GOLDEN.is_file(), reason=f"no official activations at {GOLDEN}")
TOLERANCE = 1e-4  # relative, float32

# section of the golden file -> method, configuration, heading in the list of official keys, layout of the file
MODELS = {
    "deri_resnet18": ("deri", 'text_padding = "full"', "DERI pretrain / zero-shot class", "bare"),
    "deri_finetune_105": ("deri", "sep_token = false", "DERI pretrain / zero-shot class", "epoch"),
    "merl_resnet18": ("merl", 'encoder = "resnet18"', "MERL class (utils", "epoch"),
    "merl_vit_tiny": ("merl", 'encoder = "vit_tiny"', "MERL class vit_tiny", "safetensors"),
}
SUITE = """
name = "parity"
title = "Official weights"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
[[tasks]]
name = "linear_probe"
[[methods]]
name = "{method}"
config = {{ text_model = "none", {option} }}
"""


@functools.cache
def golden():
    return json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.is_file() else {}


# --- the recipe ----------------------------------------------------------------------------------


def closed_form(name, shape):
    """Return the weight called `name`, computed from its name and shape."""
    draw = np.random.RandomState(zlib.crc32(name.encode()) ^ 1).standard_normal(int(np.prod(shape)))
    if name.endswith("running_var"):
        draw = 1 + 0.1 * np.abs(draw)
    elif name.endswith("running_mean"):
        draw = 0.05 * draw
    elif len(shape) >= 2:
        draw = draw * np.sqrt(2 / np.prod(shape[1:]))
    elif name.endswith("bias"):
        draw = 0.01 * draw
    elif name.endswith("weight"):
        draw = 1 + 0.1 * draw
    else:
        draw = 0.1 * draw
    return torch.from_numpy(draw.reshape(shape)).float()


def official_state(section):
    """Return all entries under the official names, from the list of the official classes' keys (not our classes)."""
    listing = KEYS.read_text("utf-8").split(MODELS[section][2])[1].split("\n# MERL")[0]
    state = {}
    for name, shape, dtype in re.findall(r"^(\S+)\t\((.*?)\)\t(\w+)", listing, flags=re.M):
        sizes = tuple(int(size) for size in shape.split(",") if size.strip())
        if section == "deri_finetune_105" and name == "decode_t.pos_embedding":
            sizes = (1, 107, 256)
        state[name] = torch.tensor(0) if dtype == "int64" else closed_form(name, sizes)
    return state


def official_file(section, folder):
    """Write a file like the release's: the whole model with its language model, bare or in an epoch's checkpoint."""
    state = official_state(section)
    state["lm_model.embeddings.position_ids"] = torch.arange(512)[None]
    state["lm_model.pooler.dense.bias"] = torch.zeros(768)
    layout = MODELS[section][3]
    path = folder / f"{section}{'.safetensors' if layout == 'safetensors' else '.pth'}"
    if layout == "safetensors":
        save_file(state, path)
    elif layout == "bare":
        torch.save(state, path)
    else:
        wrapped = {f"module.{name}": value for name, value in state.items()}
        torch.save({"epoch": 3, "model_state_dict": wrapped, "optimizer_state_dict": {"state": {}}}, path)
    return path


def build_as_user(section, folder):
    """Build the method of a suite's cell with ``--set methods.NAME.weights=FILE``."""
    name, option, *_ = MODELS[section]
    suite = folder / f"{section}.toml"
    suite.write_text(SUITE.format(method=name, option=option), "utf-8")
    weights = official_file(section, folder)
    (cell,) = make_plan(load_suite(str(suite), {f"methods.{name}.weights": str(weights)})).cells
    assert cell.spec.weights == file_sha256(weights)
    return build(cell.spec.method, cell.spec.method_config, Path(cell.weights_file))


def inputs():
    """Return recordings ``(3, 12, 5000)``, and the output that stands in for a text model."""
    ecg = 1 / (1 + np.exp(-np.random.RandomState(1).standard_normal((3, 12, 5000))))
    pooled = np.tanh(np.random.RandomState(2).standard_normal((3, 768)))
    tokens = np.random.RandomState(3).standard_normal((3, 256, 768))
    ecg, pooled, tokens = (torch.from_numpy(array).float() for array in (ecg, pooled, tokens))
    return ecg, TextOutput(pooled, tokens, torch.ones(3, 256, dtype=torch.bool))


# --- our outputs ---------------------------------------------------------------------------------


def merl(method):
    ecg, text = inputs()
    aligned, first, second = method.ecg_views(ecg)
    return {
        "encoder_out": method.ecg_encoder(ecg),
        "ext_ecg_emb": method.ecg_embeddings(ecg),
        "forward.ecg_emb[0]": first,
        "forward.ecg_emb[1]": second,
        "forward.proj_ecg_emb[0]": F.normalize(aligned, dim=-1),
        "forward.proj_text_emb[0]": F.normalize(method.project_text(text.pooled), dim=-1),
    }


def deri(method):
    ecg, text = inputs()
    encoded = method.encode(ecg)
    torch.manual_seed(123)
    pairs = method.compute_pairs(ecg, text)
    (recording, report), (mixed_ecg, mixed_text) = pairs.aligned, pairs.mixed
    return {
        "encoder_out": method.ecg_encoder(ecg),
        "downconv": encoded.transpose(1, 2),
        "att_pool_tokens": method.align_tokens(encoded),
        "ext_ecg_emb_zeroshot": method.ecg_embeddings(ecg),
        "forward.ecg_emb[0]": pairs.views[0],
        "forward.ecg_emb[1]": pairs.views[1],
        "forward.proj_ecg_emb[0]": recording,
        "forward.proj_ecg_emb[1]": mixed_ecg,
        "forward.proj_text_emb[0]": report,
        "forward.proj_text_emb[1]": mixed_text,
        "forward.dec_emb[0]": pairs.ecg[1],
        "forward.dec_emb[1]": pairs.text[1],
        "forward.ori_emb[0]": pairs.ecg[0],
        "forward.ori_emb[1]": pairs.text[0],
    }


def deri_probe(method):
    return {"forward_feature": method.ecg_features(inputs()[0])}


FORWARD_PASSES = {"deri_resnet18": deri, "deri_finetune_105": deri_probe, "merl_resnet18": merl, "merl_vit_tiny": merl}


@pytest.fixture(scope="module")
def outputs_of(tmp_path_factory):
    """Return a function from a section to its outputs by entry; it computes each section once."""

    @functools.cache
    def compute(section):
        if section == "clip_loss":
            return contrast()
        method = build_as_user(section, tmp_path_factory.mktemp(section))
        with torch.no_grad():
            return {"n_keys": len(method.state_dict()), **FORWARD_PASSES[section](method)}

    return compute


def contrast():
    """Return the loss and the retrieval accuracies of two formulas that the golden file defines."""
    example = golden()["clip_loss"]
    x, y = _waves(example["x"]), _waves(example["y"])
    return {
        "loss": clip_loss(x, y, example["tau"]).item(),
        "acc1": retrieval_accuracy(x, y, 1),
        "acc5": retrieval_accuracy(x, y, 5),
    }


def _waves(formula):
    slope, start, rows, columns = re.fullmatch(r"sin\(([\d.]+) i\+([\d.]+)\) \((\d+),(\d+)\)", formula).groups()
    index = torch.arange(int(rows) * int(columns), dtype=torch.float64)
    return torch.sin(float(slope) * index + float(start)).float().view(int(rows), int(columns))


# --- the comparison ------------------------------------------------------------------------------

INPUTS = {("clip_loss", "x"), ("clip_loss", "y"), ("clip_loss", "tau")}  # `recipe` has inputs alone


def entries():
    return [
        (section, entry)
        for section, content in golden().items()
        if section != "recipe"
        for entry in content
        if (section, entry) not in INPUTS
    ]


def error(output, expected):
    """Return the largest relative error of a number or of a tensor's listed values (to their root mean square)."""
    if not isinstance(expected, dict):
        return abs(output / expected - 1)
    assert list(output.shape) == expected["shape"]
    assert set(expected) == {"shape", "norm", "mean", "first5", "last3"}
    flat = output.double().flatten()
    scale = expected["norm"] / flat.numel() ** 0.5
    values = torch.cat([flat[:5], flat[-3:]])
    golden_values = torch.tensor(expected["first5"] + expected["last3"], dtype=torch.float64)
    return max(
        ((values - golden_values).abs().max() / scale).item(),
        abs(flat.norm().item() / expected["norm"] - 1),
        abs(flat.mean().item() - expected["mean"]) / scale,
    )


@pytest.mark.parametrize(("section", "entry"), entries(), ids=[f"{section}: {entry}" for section, entry in entries()])
def test_every_entry_equals_the_official_one(outputs_of, section, entry):
    outputs = outputs_of(section)
    assert entry in outputs, f"{section}: {entry} is in the golden file and compared with nothing"
    assert error(outputs[entry], golden()[section][entry]) < TOLERANCE


def test_every_output_has_its_entry(outputs_of):
    for section in {section for section, _ in entries()}:
        assert {entry for name, entry in entries() if name == section} == set(outputs_of(section))


def test_the_comparison_can_fail(outputs_of):
    expected = golden()["deri_resnet18"]["downconv"]
    output = outputs_of("deri_resnet18")["downconv"]
    assert error(output * 1.001, expected) > TOLERANCE
    other = output.clone()
    other[0, 0, 0] += 0.01 * other.abs().mean()
    assert error(other, expected) > TOLERANCE


def test_an_encoder_file_gives_the_same_features(tmp_path, outputs_of):
    """Such a file (``*_encoder.pth``) has the encoder alone, without prefix and with its unused output layer."""
    state = official_state("merl_resnet18")
    encoder = {k.removeprefix("ecg_encoder."): v for k, v in state.items() if k.startswith("ecg_encoder.")}
    torch.save(encoder, tmp_path / "res18_best_encoder.pth")
    features = outputs_of("merl_resnet18")["encoder_out"].mean(-1)
    for name, config in {"merl": {}, "deri": {"features": "encoder"}}.items():
        method = build(name, {"parts": "encoder", **config}, tmp_path / "res18_best_encoder.pth")
        with torch.no_grad():
            torch.testing.assert_close(method.ecg_features(inputs()[0]), features, rtol=1e-5, atol=1e-5)
