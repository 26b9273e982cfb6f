"""C-MELT against activations and losses of the official class, for weights and inputs in closed form.

The weights have the official names and shapes. They are written as D-BETA's checkpoint file and loaded as a suite's
``weights = "/path"`` loads them; every entry of golden/cmelt.json is compared.
"""

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

from benchmark.engine.building import build
from methods.cmelt import MaskedTextBatch
from methods.nn.cmelt.masked_patches import draw_visible_patches, patch_targets, reconstruction_loss

SHARED = Path(os.environ.get("ECGARENA_SHARED", Path(__file__).parents[2] / "../shared"))
GOLDEN = SHARED / "golden" / "cmelt.json"
KEYS = SHARED / "specs" / "cmelt_state_dict.txt"
pytestmark = pytest.mark.skipif(not GOLDEN.is_file(), reason=f"no official activations at {GOLDEN}")
TOLERANCE = 1e-4  # relative, float32; larger after the text encoder, see `rounding_of_text`
TIED = "language_encoder.encoder.embed_tokens.weight"
FLAN_T5_BASE = {"d_model": 768, "d_ff": 2048, "d_kv": 64, "num_layers": 12, "num_heads": 12, "vocab_size": 32128,
                "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}  # fmt: skip


def official_shapes():
    listing = re.findall(r"^(\S+)\t\((.*?)\)\tfloat32", KEYS.read_text(), flags=re.M)
    return {name: tuple(int(size) for size in shape.split(",") if size.strip()) for name, shape in listing}


def closed_form(name, shape):
    """Return the weight called `name`, computed from its name (the recipe of the golden file)."""
    draw = np.random.RandomState(zlib.crc32(name.encode()) ^ 1).standard_normal(int(np.prod(shape)))
    if len(shape) >= 2:
        draw *= np.sqrt(1 / np.prod(shape[1:]))
    elif name.endswith("bias"):
        draw *= 0.01
    elif name.endswith("weight"):
        draw = 1 + 0.1 * draw
    else:
        draw *= 0.1
    return torch.from_numpy(draw.astype(np.float32).reshape(shape))


def sinusoids(length, width):
    """Return the one table that the recipe leaves as the official class computes it."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, width, 2) / width)
    table = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(1, length, width)
    return torch.from_numpy(table).float()


def write_checkpoint(path):
    shapes = official_shapes()
    state = {k: closed_form(k, s) for k, s in shapes.items() if k != TIED and not k.endswith(".pe")}
    weight_count = len(state)
    state[TIED] = state["language_encoder.shared.weight"]
    for name in shapes.keys() - state.keys():
        state[name] = sinusoids(*shapes[name][1:])
    torch.save({"model": state}, path)
    return weight_count


def write_flan_t5(folder):
    """Write a folder like the hub's, with weights of zero, so that all other values come from the checkpoint."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, T5Config

    words = {word: row for row, word in enumerate(["<pad>", "</s>", "<unk>", "<extra_id_0>"])}
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<unk>")),
        pad_token="<pad>", eos_token="</s>", unk_token="<unk>", additional_special_tokens=["<extra_id_0>"],
    ).save_pretrained(folder)  # fmt: skip
    T5Config(**FLAN_T5_BASE, architectures=["T5EncoderModel"]).save_pretrained(folder)
    names = [name for name in official_shapes() if name.startswith("language_encoder.") and name != TIED]
    zeros = {n.removeprefix("language_encoder."): torch.zeros(official_shapes()[n]).bfloat16() for n in names}
    save_file(zeros, folder / "model.safetensors", metadata={"format": "pt"})


def inputs():
    """Return recordings, token ids, their mask and the labels of masked words."""
    draw = np.random.RandomState(1)
    ecg = 0.3 * np.cumsum(draw.standard_normal((2, 12, 5000)), -1) / 20
    text = draw.randint(3, 32000, (2, 20)).astype(np.int64)
    mask = np.ones((2, 20), dtype=bool)
    mask[1, 15:] = False
    text[1, 15:] = 0
    labels = text.copy()
    labels[:, ::3] = -100
    return tuple(torch.from_numpy(array) for array in (ecg.astype(np.float32), text, mask, labels))


def activations(method):
    """Return every tensor of the golden file, by its name there."""
    ecg, ids, mask, labels = inputs()
    swapped = ecg[:, [0, 1, 2, 3, 5, 4, *range(6, 12)]]
    torch.manual_seed(123)
    visible = draw_visible_patches(2, 312, method.mem_ratio)
    fused = method.fuse(ecg, ids, mask, visible, padding_is_text=True)
    patches = method.mim_head(fused.decoder_input, visible)
    hidden = method.mim_head.predict_hidden(fused.decoder_input, visible)
    pair = method.itm_head(fused.pair)
    # is_aligned = [1, 0]
    texts = MaskedTextBatch(ids, mask, labels, torch.tensor([0, 1]), torch.tensor([0, 2]))
    return {
        "patch_embeddings": method.ecg_encoder.embed(ecg),
        "encoder_tokens": method.ecg_tokens(ecg),
        "ecg_feature": method.ecg_features(ecg),
        "ecg_feature_leads_4_5_swapped": method.ecg_embeddings(swapped),
        "masked_text.text_feature": method.text_features(ids, mask),
        "official.uni_modal_text_feats": fused.text_feature,
        "official.uni_modal_ecg_feats": fused.ecg_feature,
        "official.multi_modal_text_feats": fused.text,
        "official.multi_modal_ecg_feats": fused.ecg,
        "official.multi_modal_cls_feats": fused.pair,
        "official.mlm_logits": method.mlm_head(fused.text),
        "official.mem_logits": patches,
        "official.etm_logits": pair,
        "official.mem_masks_sum_per_row": visible.hidden.sum(1).tolist(),
        "official.losses (is_aligned = [1,0])": {
            "mlm": method.mlm_head.losses(fused.text, labels).mean(),
            "mem": reconstruction_loss(hidden, patch_targets(ecg, 312, 16), visible),
            "etm": F.cross_entropy(pair, texts.aligned.long()),
            "ets": method.ets_loss(fused.ecg_feature, fused.text_feature, texts),
        },
    }


def rounding_of_text(method):
    """Return the relative distance of the text feature to that of the same encoder in float64.

    With these weights the text encoder is ill-conditioned, and the order of a CPU's sums decides the fourth digit
    (AVX2: 0.6e-4 from the official value; AVX512: 1.3e-4). No float32 run can be more precise than this.
    """
    _, ids, mask, _ = inputs()
    single = method.text_features(ids, mask).double()
    return ((method.double().text_features(ids, mask) - single).norm() / single.norm()).item()


def is_ecg_only(name):
    return name.startswith(("patch_embeddings", "encoder_tokens", "ecg_feature", "official.uni_modal_ecg"))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Return golden file, our activations, number of weights, shapes, and rounding of the text encoder."""
    folder = tmp_path_factory.mktemp("flan-t5-base")
    write_flan_t5(folder)
    weight_count = write_checkpoint(folder / "sample.pt")
    method = build("cmelt", {"text_model": str(folder), "released": True}, weights=folder / "sample.pt")
    (folder / "sample.pt").unlink()  # 1.3 GB
    with torch.inference_mode():
        tensors = activations(method)
        rounding = rounding_of_text(method)
    shapes = {name: tuple(value.shape) for name, value in method.state_dict().items()}
    return json.loads(GOLDEN.read_text()), tensors, weight_count, shapes, rounding


def tensor_errors(tensor, expected):
    """Return the relative errors of the listed values and the norm, and of the mean in units of a value's size.

    The text encoder is ill-conditioned with these weights: in float64 its feature is 4e-4 away from the official
    float32 one. The distance of the vectors is therefore compared, not the worst of eight single values.
    """
    flat = tensor.double().flatten()
    golden_values = torch.tensor(expected["first5"] + expected["last3"], dtype=torch.float64)
    return {
        "values": ((torch.cat([flat[:5], flat[-3:]]) - golden_values).norm() / golden_values.norm()).item(),
        "norm": abs(flat.norm().item() / expected["norm"] - 1),
        "mean": abs(flat.mean().item() - expected["mean"]) / (expected["norm"] / flat.numel() ** 0.5),
    }


def test_every_entry_equals_the_official_one(comparison):
    golden, tensors, weight_count, _, rounding = comparison
    assert rounding < 2e-3
    assert golden.pop("recipe") and golden.pop("filled") == weight_count
    assert set(tensors) == set(golden)
    for name, expected in golden.items():
        if isinstance(expected, list):  # counts
            assert tensors[name] == expected, name
            continue
        if name.endswith("is_aligned = [1,0])"):
            assert set(tensors[name]) == set(expected)
            errors = {loss: abs(tensors[name][loss].item() / value - 1) for loss, value in expected.items()}
        else:
            assert list(tensors[name].shape) == expected["shape"], name
            errors = tensor_errors(tensors[name], expected)
        allowed = TOLERANCE if is_ecg_only(name) else max(TOLERANCE, 4 * rounding)  # of both sides
        assert max(errors.values()) < allowed, (name, errors, allowed)


def test_parameters_carry_the_official_names_and_shapes(comparison):
    assert comparison[3] == official_shapes()
