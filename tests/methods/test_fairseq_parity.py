"""MELP, ECG-FM and W2V-CMSC-RLM against the official classes: closed-form weights in a file of the official layout.

``golden/melp.json`` and ``golden/ecgfm.json`` hold names and outputs of those classes; their `recipe` defines weights
and inputs in closed form. Each file goes the way of a user's file. Every entry is a test, but for those of MELP's text
side, which is not published and not built here.
"""

from __future__ import annotations

import functools
import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from benchmark.engine.building import build
from benchmark.errors import MissingError
from methods.nn.w2v_cmsc_rlm.quantised_contrast import contrastive_loss
from tests.methods.test_released_parity import TOLERANCE, error

SHARED = Path(os.environ.get("ECGARENA_SHARED", Path(__file__).parents[2] / "../shared"))
FILES = {name: SHARED / "golden" / f"{name}.json" for name in ("melp", "ecgfm")}
pytestmark = pytest.mark.skipif(
    not all(path.is_file() for path in FILES.values()), reason=f"no official activations in {SHARED / 'golden'}"
)
FACTS = ("recipe", "keys", "n_keys", "n_float", "text")  # "text": MELP's text side


@functools.cache
def golden(name):
    return json.loads(FILES[name].read_text("utf-8")) if FILES[name].is_file() else {}


def weight(name, shape, draw):
    if name.endswith("parametrizations.weight.original0"):
        return 1 + 0.1 * draw
    if len(shape) >= 2:
        return draw * np.sqrt(1 / np.prod(shape[1:]))
    if name in ("bn.running_var", "bn.running_mean"):
        return 1 + 0.1 * abs(draw) if name.endswith("var") else 0.05 * draw
    if name.endswith(".weight"):
        return 1 + 0.1 * draw
    return (0.01 if name.endswith("bias") else 0.1) * draw


def official_state(name):
    """Return all entries under the official names, from the list of the official class's keys (not from ours)."""
    state = {}
    for key, shape, dtype in golden(name)["keys"]:
        if not dtype.startswith("float"):
            state[key] = torch.zeros(shape, dtype=torch.long)
            continue
        draw = np.random.RandomState(zlib.crc32(key.encode()) ^ 1).standard_normal(int(np.prod(shape)))
        state[key] = torch.from_numpy(weight(key, shape, draw).reshape(shape)).float()
    return state


def old_names(state):
    """Return the state as files before January 2025 have it."""
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for key, value in state.items():
        for new, old in names.items():
            key = key.replace(new, old)
        renamed[key] = value
    return renamed


def melp_file(folder):
    save_file({f"ecg_encoder.{key}": value for key, value in official_state("melp").items()}, folder / "m.safetensors")
    return folder / "m.safetensors"


def ecgfm_file(folder):
    torch.save({"args": None, "model": old_names(official_state("ecgfm"))}, folder / "e.pt")
    return folder / "e.pt"


# --- our outputs ---------------------------------------------------------------------------------


def melp(method):
    ecg = torch.from_numpy(1 / (1 + np.exp(-np.random.RandomState(1).standard_normal((2, 12, 5000))))).float()
    beats = method.beat_embeddings(ecg)
    unread = sum(value.numel() for key, value in official_state("melp").items() if is_unread(key))
    return {
        "parameters": sum(part.numel() for part in method.parameters()) + unread,
        "conv_features": method.ecg_encoder.feature_extractor(ecg),
        "encoder_tokens": method.encode(ecg),
        "rhythm_embedding (proj_ecg_emb before normalisation)": beats.mean(1),
        "beat_embeddings": beats,
        "caption_tokens": method.ecg_tokens(ecg),
        "probe_feature (ext_ecg_emb: pooled after ln_contrast, WITHOUT proj_contrast)": method.ecg_features(ecg),
        "encoder_tokens_of_first_5_s": method.encode(ecg[..., :2500]),
    }


def is_unread(key):
    parts = ("quantizer.", "project_q.", "final_proj.", "mask_emb")
    return key == "logit_scale" or key.removeprefix("ecg_encoder.").startswith(parts)


def ecgfm(method, trained, whole):
    """Outputs of the adapter (segments of 5 s, or one of 10 s), and of the pre-training method on a given mask."""
    segments = torch.from_numpy(0.3 * np.cumsum(np.random.RandomState(1).standard_normal((2, 12, 2500)), -1) / 20)
    long = torch.from_numpy(0.3 * np.cumsum(np.random.RandomState(2).standard_normal((1, 12, 5000)), -1) / 20).float()
    recording = torch.cat(list(segments.float()), dim=-1).unsqueeze(0)  # both segments in one recording
    tokens = method.ecg_tokens(recording).unflatten(1, (2, -1))[0]
    return {
        "parameters": sum(part.numel() for part in trained.parameters()),
        "conv_features": method.model.feature_extractor(segments.float()),
        "encoder_tokens": tokens,
        "embedding (mean over tokens, dividing by the count of non-zero values)": tokens.mean(1),
        "encoder_tokens_of_10_s (RandomState(seed+1), (1,12,5000))": whole.ecg_tokens(long),
        **masked_pass(trained, segments.float()),
    }


def masked_pass(method, segments):
    tokens = method._embed(method._extract(segments))
    time = torch.arange(tokens.shape[1])
    hidden = ((time + 3 * torch.arange(2)[:, None]) % 10) < 6
    counts = hidden.sum(1)
    count = int(counts.min())  # rows are cut to the same number
    rows = torch.stack([row.nonzero()[:count, 0] for row in hidden])
    hidden = torch.zeros_like(hidden).scatter_(1, rows, True)
    encoded = method._encode(torch.where(hidden.unsqueeze(-1), method.mask_emb, tokens))
    pick = rows.unsqueeze(-1)
    predicted = method.final_proj(encoded.gather(1, pick.expand(-1, -1, encoded.shape[-1])))
    stem = method.layer_norm(method._extract(segments))
    quantised = method.quantizer(stem.gather(1, pick.expand(-1, -1, stem.shape[-1])), 1.0)
    targets = method.project_q(quantised.codes)
    torch.manual_seed(123)
    loss = contrastive_loss(predicted, targets, 100, 0.1) * predicted.shape[0] * predicted.shape[1]
    return {
        "masked.hidden_per_row": [count] * 2,
        "masked.loss_sum": loss.item(),
        "masked.logits (get_logits)": official_logits(predicted, targets),
        "masked.features_aggregated (CMSC)": encoded.mean(1),
        "masked.features_pen": method._extract(segments).square().mean().item(),
        "masked.prob_perplexity": quantised.perplexity.item(),
        "masked.code_perplexity": code_perplexity(method, stem.gather(1, pick.expand(-1, -1, stem.shape[-1]))),
    }


def official_logits(predicted, targets):
    """Return the logits as the official class lays them out: the target first, then its negatives."""
    torch.manual_seed(123)
    batch, tokens, _ = targets.shape
    draws = torch.randint(0, tokens - 1, (batch, tokens * 100))
    own = torch.arange(tokens).repeat_interleave(100)
    draws = (draws + (draws >= own)).unflatten(1, (tokens, 100))
    places = torch.cat([torch.arange(tokens)[None, :, None].expand(batch, -1, 1), draws], dim=2)
    cosines = F.normalize(predicted, dim=-1) @ F.normalize(targets, dim=-1).transpose(1, 2)
    twins = (torch.cdist(targets, targets, compute_mode="donot_use_mm_for_euclid_dist") == 0).gather(2, places)
    twins[..., 0] = False
    logits = (cosines.gather(2, places) / 0.1).masked_fill(twins, -100.0)  # the golden file has -100 for -inf
    return logits.flatten(0, 1)


def code_perplexity(method, x):
    """Return the perplexity of the chosen codes, summed over codebooks."""
    logits = method.quantizer.weight_proj(x).unflatten(-1, (method.quantizer.groups, method.quantizer.entries))
    share = F.one_hot(logits.argmax(-1), method.quantizer.entries).float().flatten(0, 1).mean(0)
    return float((-(share * (share + 1e-7).log()).sum(-1)).exp().sum())


@pytest.fixture(scope="module")
def outputs_of(tmp_path_factory):
    """Return a function from a golden file's name to our outputs by entry; it computes each once."""

    @functools.cache
    def compute(name):
        folder = tmp_path_factory.mktemp(name)
        with torch.no_grad():
            if name == "melp":
                return melp(build("melp", {}, melp_file(folder), seed=5))
            file = ecgfm_file(folder)
            methods = [build("ecg_fm", {}, file, seed=5), build("w2v_cmsc_rlm", {}, file, seed=5)]
            return ecgfm(*methods, build("ecg_fm", {"segments": 1}, file, seed=5))

    return compute


# --- the comparison ------------------------------------------------------------------------------


def entries():
    return [(name, entry) for name in FILES for entry in golden(name) if entry not in FACTS]


@pytest.mark.parametrize(("name", "entry"), entries(), ids=[f"{name}: {entry}" for name, entry in entries()])
def test_every_entry_equals_the_official_one(outputs_of, name, entry):
    outputs = outputs_of(name)
    assert entry in outputs, f"{name}: {entry} is in the golden file and compared with nothing"
    assert error(outputs[entry], golden(name)[entry]) < TOLERANCE


def test_a_small_change_of_one_weight_is_noticed(outputs_of, tmp_path):
    """The comparison can fail: one weight of the pooling differs by a thousandth of its kind's deviation."""
    method = build("melp", {}, melp_file(tmp_path), seed=5)
    with torch.no_grad():
        method.ln_contrast.weight += 1e-3
        entry = "beat_embeddings"
        assert (
            error(melp(method)[entry], golden("melp")[entry])
            > TOLERANCE
            > error(outputs_of("melp")[entry], golden("melp")[entry])
        )


# --- layouts, with small networks ----------------------------------------------------------------

SMALL = {"width": 32, "depth": 1, "heads": 2}


@pytest.mark.parametrize("layout", ["hub", "bare", "training", "ours"])
@pytest.mark.parametrize("queries", [10, 14])
def test_files_of_melp_load_with_any_number_of_queries(tmp_path, layout, queries):
    sizes = {**SMALL, "embed_dim": 16, "caption_queries": 4}
    source, path = build("melp", {**sizes, "queries": queries}), tmp_path / "m.pt"
    state = dict(source.state_dict())
    if layout != "ours":
        state["logit_scale"] = torch.tensor(1.0)
        state["ecg_encoder.quantizer.vars"] = torch.zeros(1, 4, 2)
        state["bn.running_mean"] = torch.zeros(3)
    if layout in ("hub", "training"):
        state = {f"ecg_encoder.{name}": value for name, value in state.items()}
    if layout == "training":
        state = {"state_dict": {**state, "lm_model.bert.x": torch.zeros(2), "proj_t.0.weight": torch.zeros(2)}}
    torch.save(state, path)
    copy, ecg = build("melp", sizes, path, seed=1), torch.rand(2, 12, 640)
    with torch.no_grad():
        assert copy.attn_pool_contrast.query.shape == (queries, 16)
        assert torch.equal(copy.ecg_features(ecg), source.ecg_features(ecg))
        assert copy.ecg_tokens(ecg).shape == (2, 4, 32)


def new_name(name):
    """Return the name of an entry in files since January 2025."""
    stem, _, last = name.rpartition(".")
    number = {"weight_g": 0, "weight_v": 1}.get(last)
    return name if number is None else f"{stem}.parametrizations.weight.original{number}"


@pytest.mark.parametrize("names", ["old", "new"])
@pytest.mark.parametrize("kind", ["pre-trained", "fine-tuned"])
def test_files_of_ecg_fm_load_under_old_and_new_names(tmp_path, names, kind):
    source, path = build("ecg_fm", SMALL), tmp_path / "e.pt"
    state = {name.removeprefix("model."): value for name, value in source.state_dict().items()}
    if names == "new":
        state = {new_name(name): value for name, value in state.items()}
    if kind == "fine-tuned":
        state = {**{f"encoder.{name}": value for name, value in state.items()}, "proj.weight": torch.zeros(3, 32)}
    else:
        state["mask_emb"] = torch.zeros(32)
    torch.save({"model": state}, path)
    copy, ecg = build("ecg_fm", SMALL, path, seed=1), torch.randn(2, 12, 640)
    with torch.no_grad():
        assert torch.equal(copy.ecg_features(ecg), source.ecg_features(ecg))


def test_a_file_that_lacks_a_layer_is_refused_by_name(tmp_path):
    state = {name.removeprefix("model."): value for name, value in build("ecg_fm", SMALL).state_dict().items()}
    del state["encoder.layers.0.fc2.bias"]
    torch.save({"model": state}, tmp_path / "e.pt")
    with pytest.raises(MissingError, match=r"model.encoder.layers.0.fc2.bias is missing"):
        build("ecg_fm", SMALL, tmp_path / "e.pt")


def test_halves_of_a_recording_are_read_by_themselves():
    method, ecg = build("ecg_fm", SMALL).eval(), torch.randn(1, 12, 640)
    with torch.no_grad():
        tokens = method.ecg_tokens(ecg)
        other = method.ecg_tokens(torch.cat([ecg[..., :320], torch.randn(1, 12, 320)], -1))
    assert torch.equal(tokens[:, :20], other[:, :20]) and not torch.equal(tokens[:, 20:], other[:, 20:])


def test_linear_resampling_is_that_of_numpy():
    from benchmark.data.signals.signal import resample

    ecg = np.random.default_rng(0).normal(size=(2, 3, 100))
    for samples, rate in ((500, 500), (50, 50), (250, 250)):
        grid = np.linspace(0, 99, samples)
        expected = np.stack([[np.interp(grid, np.arange(100), lead) for lead in recording] for recording in ecg])
        np.testing.assert_allclose(resample(ecg, 100, rate, "linear"), expected, atol=1e-12)
