"""HeartLang and ESI against the official classes: closed-form weights in a file of the official layout.

``golden/heartlang.json`` and ``golden/esi.json`` hold names and outputs of those classes; their `recipe` defines
weights and inputs in closed form. The file goes the way of a user's file. Every entry of a golden file is a test.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.engine.building import build
from methods.nn.heartlang.sentence import cut_words, make_sentence

SHARED = Path(os.environ.get("ECGARENA_SHARED", Path(__file__).parents[2] / "../shared"))
FILES = {name: SHARED / "golden" / f"{name}.json" for name in ("heartlang", "esi")}
pytestmark = pytest.mark.skipif(
    not all(path.is_file() for path in FILES.values()), reason=f"no official activations in {SHARED / 'golden'}"
)
TOLERANCE = 1e-4  # relative, float32
FACTS = ("recipe", "keys", "filled")  # what the files say beside outputs


@functools.cache
def golden(name):
    return json.loads(FILES[name].read_text("utf-8")) if FILES[name].is_file() else {}


# --- the recipes ---------------------------------------------------------------------------------

SMALL = ("mask_token", "pos_embed", "spa_embed.embed.weight", "tem_embed.embed.weight")


def heartlang_weight(name, shape, draw):
    if name in SMALL:
        return 0.1 * draw
    if len(shape) >= 2:
        return draw * np.sqrt(1 / np.prod(shape[1:]))
    if name.endswith("weight"):
        return 1 + 0.1 * draw
    return (0.01 if name.endswith("bias") else 0.1) * draw


def esi_weight(name, shape, draw):
    if len(shape) == 1 and name.endswith(".beta"):
        return 0 * draw
    if len(shape) == 3 and 1 in (shape[0], shape[-1]) and not name.endswith("dwconv.weight"):
        return 1 + 0.1 * draw if name.endswith("weight") else 0.1 * draw
    if len(shape) >= 2:
        return draw * np.sqrt(1 / np.prod(shape[1:]))
    if name.endswith((".weight", ".gamma")):
        return 1 + 0.1 * draw
    return 0.01 * draw


WEIGHTS = {"heartlang": heartlang_weight, "esi": esi_weight}


def official_state(name):
    """Return all entries under the official names, from the list of the official class's keys (not from ours)."""
    state = {}
    for key, shape, _ in golden(name)["keys"]:
        draw = np.random.RandomState(zlib.crc32(key.encode()) ^ 1).standard_normal(int(np.prod(shape)))
        state[key] = torch.from_numpy(WEIGHTS[name](key, shape, draw).reshape(shape)).float()
    return state


def official_file(name, folder):
    """Write a file as the authors publish it: HeartLang's training state with its options, or ESI's whole model."""
    state = official_state(name)
    if name == "heartlang":
        options = argparse.Namespace(model="HeartLang", lr=5e-4, opt_betas=[0.9, 0.98], distributed=True, gpu=0)
        content = {"model": state, "optimizer": {"state": {}, "param_groups": []}, "epoch": 199, "args": options}
        torch.save(content, folder / "checkpoint-200.pth")
        return folder / "checkpoint-200.pth"
    unread = {"temperature": torch.tensor(1.0), "img_attn_pool_norm_of_captions.gamma": torch.ones(4)}
    save_file({**state, **unread, "unimodal_layers.embeddings.LayerNorm.bias": torch.zeros(8)}, folder / "esi")
    return folder / "esi"


# --- our outputs ---------------------------------------------------------------------------------

BEATS = np.array([60, 145, 230, 255, 420, 600, 660, 760, 840, 915, 960])


def heartlang(method):
    encoder, words = method.encoder, np.random.RandomState(1).standard_normal((2, 256, 96))
    number = np.arange(256)
    leads, seconds = np.stack([1 + (number // 12) % 12] * 2), np.stack([1 + (number % 12) % 10] * 2)
    for part in (words, leads, seconds):
        part[1, 156:] = 0
    words, leads, seconds = torch.from_numpy(words).float(), torch.from_numpy(leads), torch.from_numpy(seconds)
    hidden = torch.arange(256).expand(2, -1) % 2 == 0
    tokens = encoder(words, leads, seconds)
    return {
        "n_keys": len(method.state_dict()),
        "parameters": sum(weight.numel() for weight in method.parameters()),
        "token_embed": encoder.token_embed(words),
        "tokens": tokens,
        "cls (probe feature)": tokens[:, 0],
        "cls_without_lead_and_time": encoder(words, None, None)[:, 0],
        # of both rows, 128 hidden words each
        "masked.lm_logits": encoder.predict_codes(words, leads, seconds, hidden),
        **tokeniser(),
    }


def tokeniser():
    ecg = 0.3 * np.cumsum(np.random.RandomState(2).standard_normal((12, 1000)), -1) / 20
    sentence = make_sentence(ecg, [BEATS] * 12)
    long = make_sentence(ecg, [np.arange(20, 1000, 40)] * 12)
    last = int(long.leads[-1])
    return {
        "tokeniser.sequence": torch.from_numpy(sentence.words),
        "tokeniser.in_chans": sentence.leads.tolist(),
        "tokeniser.in_times": sentence.seconds.tolist(),
        "tokeniser.segment_of_each_beat_lead_0 (first non-zero, last non-zero, sum)": outlines(ecg, BEATS),
        "tokeniser.single_beat_at_20 (first non-zero, last non-zero, sum; lead 0)": outlines(ecg, [20])[0],
        "tokeniser.beats_20_and_980": outlines(ecg, [20, 980]),
        "tokeniser.25_beats_every_40: words, last lead number, words of it": [
            int((long.leads > 0).sum()), last, int((long.leads == last).sum())
        ],
    }  # fmt: skip


def outlines(ecg, beats):
    words = cut_words(ecg[0], np.array(beats))
    return [[int(word.nonzero()[0][0]), int(word.nonzero()[0][-1]), float(word.sum())] for word in words]


def esi(method):
    ecg = 0.3 * np.cumsum(np.random.RandomState(1).standard_normal((2, 5000, 12)), 1) / 20
    ecg = torch.from_numpy(ecg).float().transpose(1, 2)
    standardised = (ecg - ecg.mean((1, 2), keepdim=True)) / (ecg.std((1, 2), keepdim=True) + 1e-6)
    parameters = sum(weight.numel() for weight in method.encoder.parameters())
    return {
        "stem": method.encoder.downsample_layers[0](standardised),
        "feature": method.ecg_features(ecg),
        "image_embedding": method.image_embedding(ecg),
        "image_latents (unit length)": method.ecg_embeddings(ecg),
        "parameters_of_encoder": parameters + 1000 * 1024 + 1000,  # with the unused output layer, which stays away
    }


FORWARD_PASSES = {"heartlang": heartlang, "esi": esi}


@pytest.fixture(scope="module")
def outputs_of(tmp_path_factory):
    """Return a function from a method's name to its outputs by entry; it computes each once."""

    @functools.cache
    def compute(name):
        file = official_file(name, tmp_path_factory.mktemp(name))
        method = build(name, {}, file, seed=5)
        file.unlink()
        with torch.no_grad():
            return FORWARD_PASSES[name](method)

    return compute


# --- the comparison ------------------------------------------------------------------------------


def entries():
    return [(name, entry) for name in FILES for entry in golden(name) if entry not in FACTS]


def error(output, expected):
    """Return the largest relative error of a number, a list, or a tensor's listed values (to their mean square)."""
    if not isinstance(expected, dict):
        output, expected = np.array(output, float), np.array(expected, float)
        assert output.shape == expected.shape
        return float(np.abs(output - expected).max() / np.abs(expected).max())
    assert list(output.shape) == expected["shape"]
    flat = output.double().flatten()
    scale = expected["norm"] / flat.numel() ** 0.5
    values = torch.cat([flat[:5], flat[-3:]])
    golden_values = torch.tensor(expected["first5"] + expected["last3"], dtype=torch.float64)
    return max(
        ((values - golden_values).abs().max() / scale).item(),
        abs(flat.norm().item() / expected["norm"] - 1),
        abs(flat.mean().item() - expected["mean"]) / scale,
    )


@pytest.mark.parametrize(("name", "entry"), entries(), ids=[f"{name}: {entry}" for name, entry in entries()])
def test_every_entry_equals_the_official_one(outputs_of, name, entry):
    outputs = outputs_of(name)
    assert entry in outputs, f"{name}: {entry} is in the golden file and compared with nothing"
    assert error(outputs[entry], golden(name)[entry]) < TOLERANCE


def test_every_output_has_its_entry(outputs_of):
    for name in FILES:
        assert {entry for method, entry in entries() if method == name} == set(outputs_of(name))


@pytest.mark.parametrize(("name", "entry"), [("heartlang", "cls (probe feature)"), ("esi", "feature")])
def test_the_comparison_can_fail(outputs_of, name, entry):
    output, expected = outputs_of(name)[entry], golden(name)[entry]
    assert error(output * 1.001, expected) > TOLERANCE
    other = output.clone()
    other[0, 0] += 0.01 * other.abs().mean()
    assert error(other, expected) > TOLERANCE
