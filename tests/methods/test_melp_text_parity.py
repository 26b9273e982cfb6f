"""MELP's text side against the official class: a checkpoint of the official training with closed-form weights.

The `text` entries of ``golden/melp.json``. The file has the layout of the official training and goes the way of a
user's file, beside a language model in a folder. It holds 280 million weights, so the test is a slow one.
"""

from __future__ import annotations

import functools
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.engine.building import build
from methods.nn.melp.beat_alignment import sentence_means
from tests.methods.test_fairseq_parity import FILES, golden, official_state, weight
from tests.methods.test_released_parity import TOLERANCE, error

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES["melp"].is_file(), reason=f"no official activations in {FILES['melp'].parent}"),
]
ENTRIES = (
    "text_embedding", "token_embeddings", "sentence_embedding_of_row_0", "sent_proj_of_it", "caption_logits",
)  # fmt: skip
VOCABULARY, WORDS = 30522, {0: "[PAD]", 18: ".", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
LAYERS = {"lm_model.bert.encoder.layer.0.": 12, "text_decoder.resblocks.0.": 6, "text_decoder.cross_attn.0.": 6}


def text_state():
    """Return the text side's entries under the official names; the golden file lists one layer of each stack."""
    state = {}
    for key, shape in golden("melp")["text"]["keys"]:
        stack = next((prefix for prefix in LAYERS if key.startswith(prefix)), None)
        for layer in range(LAYERS[stack] if stack else 1):
            name = key.replace(stack, stack[:-2] + f"{layer}.") if stack else key
            if name.startswith("lm_model.cls."):
                state[name] = torch.zeros(1)  # the language model's own head, which is not read
                continue
            draw = np.random.RandomState(zlib.crc32(name.encode()) ^ 1).standard_normal(int(np.prod(shape)))
            state[name] = torch.from_numpy(weight(name, shape, draw).reshape(shape)).float()
    return state


@pytest.fixture(scope="module")
def method(tmp_path_factory):
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("melp")
    lines = [WORDS.get(number, f"word{number}") for number in range(VOCABULARY)]
    (folder / "vocab.txt").write_text("\n".join(lines))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    BertModel(BertConfig(vocab_size=VOCABULARY), add_pooling_layer=False).save_pretrained(folder)
    state = {f"ecg_encoder.{key}": value for key, value in official_state("melp").items()}
    state |= text_state() | {"logit_scale": torch.tensor(0.0)}
    path = folder / "training.safetensors"
    save_file(state, path)
    del state
    melp = build("melp", {"text_model": str(folder)}, path, seed=5)
    path.unlink()
    return melp


@functools.cache
def outputs(melp):
    """Return our outputs by entry; the recipe has no padding before the summary token, so its position is 12."""
    draw = np.random.RandomState(2)
    ids = torch.from_numpy(draw.randint(1000, 30000, (2, 12))).long()
    ids[:, 0], ids[0, 6], ids[1, 8:] = melp.lm_model.tokeniser.bos_token_id, 18, 0
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[1, 8:] = False
    melp.lm_model.max_tokens = 12
    ecg = torch.from_numpy(1 / (1 + np.exp(-np.random.RandomState(1).standard_normal((2, 12, 5000))))).float()
    with torch.no_grad():
        states = melp.lm_model.encode_padded(ids, mask)
        means, present = sentence_means(states.tokens, ids, mask, melp.lm_model.full_stops, melp.lm_model.special_ids)
        first = means[0][present[0]]
        return {
            "text_embedding": melp.project_text(states.pooled),
            "token_embeddings": states.tokens,
            "sentence_embedding_of_row_0": first,
            "sent_proj_of_it": melp.sent_proj(first),
            "caption_logits": melp.text_decoder(states.tokens[:, :-1], melp.ecg_tokens(ecg)),
        }


def test_every_text_entry_is_compared():
    facts = ("n_keys", "keys", "keys_note", "n_rows_with_sentences")
    assert set(ENTRIES) == set(golden("melp")["text"]) - set(facts)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_text_entry_equals_the_official_one(method, entry):
    assert error(outputs(method)[entry], golden("melp")["text"][entry]) < TOLERANCE


def test_a_small_change_of_one_weight_is_noticed(method):
    expected, before = golden("melp")["text"]["text_embedding"], outputs(method)["text_embedding"]
    with torch.no_grad():
        method.proj_t[2].bias += 1e-3
        outputs.cache_clear()
        after = outputs(method)["text_embedding"]
        method.proj_t[2].bias -= 1e-3
    outputs.cache_clear()
    assert error(before, expected) < TOLERANCE < error(after, expected)
