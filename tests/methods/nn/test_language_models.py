"""Folders of published language models: complete, finite and with their own tokeniser, or refused in one sentence."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import MissingError
from benchmark.reporting.decoder import DecoderSize, make_decoder
from methods.nn.cmelt.n3s import load_embedding
from methods.nn.text import HubTextEncoder, TextModelMissing

WEIGHTS = "model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 437955512\n"
NEEDS = {
    "bert": "neither tokenizer.json nor vocab.txt is there",
    "roberta": "neither tokenizer.json nor vocab.json and merges.txt is there",
    "t5": "neither tokenizer.json nor spiece.model is there",
    "gpt2": "neither tokenizer.json nor vocab.json and merges.txt is there",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Models of four families, each in a folder without the files of its tokeniser."""
    from transformers import (
        BertConfig,
        BertModel,
        GPT2Config,
        GPT2LMHeadModel,
        RobertaConfig,
        RobertaModel,
        T5Config,
        T5EncoderModel,
    )

    sizes = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes["intermediate_size"] = 16
    folder = tmp_path_factory.mktemp("bare")
    models = {
        "bert": BertModel(BertConfig(**sizes)),
        "roberta": RobertaModel(RobertaConfig(**sizes)),
        "t5": T5EncoderModel(T5Config(vocab_size=300, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)),
        "gpt2": GPT2LMHeadModel(GPT2Config(vocab_size=300, n_layer=1, n_embd=16, n_head=2, n_positions=64)),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
    return folder


def decoder(folder: Path):
    return make_decoder(DecoderSize(str(folder), text_tokens=16), ["ekg"], torch.zeros(2), torch.ones(2), 1, seed=0)


@pytest.mark.parametrize("name", NEEDS)
def test_a_folder_without_its_tokeniser_is_refused_and_the_files_are_named(name, bare):
    load = decoder if name == "gpt2" else lambda folder: HubTextEncoder(str(folder))
    with pytest.raises(TextModelMissing, match=rf"'{bare / name}' has no tokeniser: {NEEDS[name]}") as error:
        load(bare / name)
    assert error.value.exit_code == 5 and "\n" not in str(error.value)


def test_a_model_of_the_hubs_cache_needs_its_tokeniser_too(bare, tmp_path, monkeypatch):
    """As a download of weights and configuration alone leaves it."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--org--text"
    shutil.copytree(bare / "bert", repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(TextModelMissing, match="the text model 'org/text' has no tokeniser"):
        HubTextEncoder("org/text")


@pytest.fixture
def whole(bare, tmp_path):
    """A BERT with its tokeniser."""
    folder = shutil.copytree(bare / "bert", tmp_path / "bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sinus", "rhythm"]
    (folder / "vocab.txt").write_text("\n".join(words))
    return folder


def error_of(folder):
    with pytest.raises(TextModelMissing) as error:
        HubTextEncoder(str(folder))
    assert str(folder) in str(error.value) and error.value.exit_code == 5
    return str(error.value)


def test_a_folder_with_everything_is_loaded(whole):
    with torch.inference_mode():
        assert HubTextEncoder(str(whole)).eval()(["sinus rhythm"]).pooled.isfinite().all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "neither tokenizer.json nor vocab.txt"),
        (
            POINTER,
            "vocab.txt cannot be read: it is a Git LFS",
        ),
        ("<html>sign in</html>", "vocab.txt cannot be read: it is a web page"),
        ("\n".join(f"word{i}" for i in range(400)), "belongs to another model: it has tokens up to number 404"),
    ],
    ids=["empty", "pointer", "page", "another model's"],
)
def test_a_vocabulary_that_is_none_or_another_ones_is_said(whole, content, message):
    (whole / "vocab.txt").write_text(content)
    assert message in error_of(whole)


def test_weights_of_a_folder_are_looked_at_as_any_others(whole):
    state = {name: value.clone() for name, value in load_file(whole / WEIGHTS).items()}
    name = "encoder.layer.0.output.dense.weight"
    state[name][0, :2] = torch.tensor([torch.nan, torch.inf])
    save_file(state, whole / WEIGHTS, {"format": "pt"})
    assert f"{name} holds 1 NaN and 1 infinite values, of 256" in error_of(whole)
    (whole / WEIGHTS).write_bytes((whole / WEIGHTS).read_bytes()[:2000])
    assert "no complete .safetensors file" in error_of(whole)
    (whole / WEIGHTS).write_text(POINTER)
    assert "a Git LFS pointer to 437,955,512 bytes" in error_of(whole)
    (whole / WEIGHTS).unlink()
    assert "the folder holds no weights" in error_of(whole)
    torch.save({"w": torch.zeros(1).byte().expand(10**9)}, whole / "pytorch_model.bin")
    error_of(whole)
    (whole / "config.json").unlink()
    assert "the folder holds no config.json" in error_of(whole)


def test_a_decoder_must_be_of_the_family_and_say_where_a_text_ends(bare, whole):
    with pytest.raises(MissingError, match="it is a bert, and the decoder must be a GPT-2"):
        decoder(whole)


def test_what_finds_negatives_is_called_so(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TextModelMissing, match=r"\(negative_model\) 'org/none' could not .*'words' needs"):
        load_embedding("org/none")
