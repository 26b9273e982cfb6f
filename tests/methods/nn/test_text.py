"""Text encoders: the small one learned from reports, and published ones loaded from a folder."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from methods.nn.text import HubTextEncoder, SmallTextEncoder, TextModelMissing, TokeniserMissing

REPORTS = [
    "Sinus rhythm. Normal ECG.",
    "Atrial fibrillation with rapid ventricular response.",
    "Sinus bradycardia, left axis deviation, first degree AV block.",
    "Left bundle branch block.",
]


@pytest.fixture
def small():
    torch.manual_seed(0)
    encoder = SmallTextEncoder(vocab_size=400, width=32)
    encoder.fit(REPORTS)
    return encoder.eval()


# --- the small encoder ---


def test_padding_does_not_change_a_text(small):
    together = small(REPORTS)
    for text, pooled, tokens, mask in zip(REPORTS, *together, strict=True):
        alone = small([text])
        assert alone.mask.all()
        torch.testing.assert_close(alone.pooled[0], pooled, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(alone.tokens[0], tokens[mask], rtol=1e-5, atol=1e-6)
    assert not together.mask.all()  # else the test says nothing
    torch.testing.assert_close(small(REPORTS, pad_to=100).pooled, together.pooled, rtol=1e-5, atol=1e-6)


def test_case_is_folded_and_words_matter(small):
    lower, upper, other = small(["sinus rhythm", "SINUS Rhythm", "atrial fibrillation"]).pooled
    assert torch.equal(lower, upper)
    assert not torch.allclose(lower, other, atol=1e-3)


def test_word_order_matters(small):
    first, second = small(["left axis right block", "right axis left block"]).pooled
    assert not torch.allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("text", ["", "   ", "Überleitung ↑ 心電図 🫀", "st " * 500])
def test_any_text_works(small, text):
    output = small([text, "sinus rhythm"])
    assert output.pooled.isfinite().all()
    assert output.mask.any(1).all()
    assert output.mask.shape[1] <= small.max_tokens


def test_the_same_reports_give_the_same_tokeniser(small):
    again = SmallTextEncoder(vocab_size=400, width=32)
    again.fit(list(REPORTS))
    assert torch.equal(again.get_extra_state(), small.get_extra_state())


def test_a_file_of_the_state_is_complete(small, tmp_path):
    save_file(small.state_dict(), tmp_path / "text.safetensors")
    fresh = SmallTextEncoder(vocab_size=400, width=32).eval()
    fresh.load_state_dict(load_file(tmp_path / "text.safetensors"))
    assert torch.equal(fresh(REPORTS).pooled, small(REPORTS).pooled)
    fresh.fit(["another corpus altogether"])  # a tokeniser of another length
    fresh.load_state_dict(load_file(tmp_path / "text.safetensors"))
    assert torch.equal(fresh(REPORTS).pooled, small(REPORTS).pooled)


def test_an_unfitted_state_round_trips(tmp_path):
    encoder = SmallTextEncoder(vocab_size=300, width=32)
    save_file(encoder.state_dict(), tmp_path / "text.safetensors")
    encoder.load_state_dict(load_file(tmp_path / "text.safetensors"))
    assert not encoder.fitted
    with pytest.raises(TokeniserMissing, match="load weights"):
        encoder(["sinus rhythm"])


def test_tokens_stay_below_the_vocabulary():
    encoder = SmallTextEncoder(vocab_size=258, width=32)
    encoder.fit(REPORTS)
    assert encoder.tokeniser.get_vocab_size() == 258
    with pytest.raises(ValueError, match="need 258"):
        SmallTextEncoder(vocab_size=257)


# --- a published language model, here a tiny one written to a folder ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sinus", "rhythm", "atrial", "fibrillation", "."]
    (path / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    BertModel(config).save_pretrained(path)
    return path


def test_a_hub_model_keeps_its_own_names_and_ignores_padding(folder):
    from transformers import BertModel

    encoder = HubTextEncoder(str(folder)).eval()
    plain = BertModel.from_pretrained(folder)
    assert set(encoder.state_dict()) == set(plain.state_dict())
    together = encoder(["Sinus rhythm", "atrial fibrillation . sinus rhythm ."])
    torch.testing.assert_close(encoder(["sinus rhythm"]).pooled[0], together.pooled[0])
    torch.testing.assert_close(encoder(["sinus rhythm"], pad_to=20).pooled[0], together.pooled[0])
    assert together.pooled.shape == (2, encoder.width) and together.tokens.shape == (2, 8, 16)
    assert encoder(["sinus " * 99]).tokens.shape[1] == encoder.max_tokens == 40


def test_the_registered_weights_are_the_ones_that_compute(folder):
    encoder = HubTextEncoder(str(folder)).eval()
    before = encoder(["sinus rhythm"]).pooled
    state = {k: torch.zeros_like(v) for k, v in encoder.state_dict().items()}
    state["embeddings.position_ids"] = torch.arange(40)[None]  # as old releases of transformers wrote
    encoder.load_state_dict(state)
    assert before.abs().sum() > 0 and encoder(["sinus rhythm"]).pooled.abs().sum() == 0


def test_dropout_follows_the_mode(folder):
    encoder = HubTextEncoder(str(folder)).train()
    assert not torch.equal(encoder(["sinus rhythm"]).pooled, encoder(["sinus rhythm"]).pooled)
    encoder.eval()
    assert torch.equal(encoder(["sinus rhythm"]).pooled, encoder(["sinus rhythm"]).pooled)


def test_missing_files_are_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in (str(tmp_path / "nowhere"), "ecgarena/no-such-text-model"):
        with pytest.raises(TextModelMissing, match=f"{name}.*hf download"):
            HubTextEncoder(name)


def test_weights_are_never_invented(folder, tmp_path):
    import shutil

    broken = shutil.copytree(folder, tmp_path / "broken")
    state = load_file(broken / "model.safetensors")
    save_file({k: v for k, v in state.items() if "pooler" not in k}, broken / "model.safetensors", {"format": "pt"})
    encoder = HubTextEncoder(str(broken)).eval()
    output = encoder(["sinus rhythm"])
    assert torch.equal(output.pooled, output.tokens[:, 0])  # no pooler: the first token's state
    del state["encoder.layer.0.output.dense.weight"]
    save_file(state, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TextModelMissing, match=r"lacks 1 weights.*encoder.layer.0.output.dense.weight"):
        HubTextEncoder(str(broken))
