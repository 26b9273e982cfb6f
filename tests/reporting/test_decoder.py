"""The shared decoder learns reports from recordings, and writes the same with and without its cache."""

import numpy as np
import pytest
import torch

from benchmark.cache.checksums import is_sealed
from benchmark.engine.events import discard_event
from benchmark.engine.state_files import write_state
from benchmark.errors import MissingError, UsageError
from benchmark.planning.training_config import TrainingConfig
from benchmark.reporting.decoder import DecoderSize, make_decoder
from benchmark.reporting.learner import Learner
from benchmark.reporting.recordings import Pairs, channel_statistics
from benchmark.reporting.tokeniser import learn_tokeniser
from benchmark.reporting.training import train_decoder
from benchmark.reporting.writing import Decoding, generate_reports, generate_tokens

REPORTS = ["sinusrhythmus. normales ekg", "vorhofflimmern", "sinus rhythm, left axis deviation", "av block, 1. grades"]
SIZE = DecoderSize(layers=1, width=32, heads=2, vocabulary=300, text_tokens=24, dropout=0.0)


class Tokens:
    """Four kinds of recordings, which differ in the marked one of three tokens and in its mark."""

    def __init__(self, count):
        self.kinds = np.arange(count) % len(REPORTS)
        self.reports = [REPORTS[kind] for kind in self.kinds]

    def __len__(self):
        return len(self.kinds)

    def batch(self, positions):
        tokens = torch.zeros(len(positions), 3, 4)
        for row, kind in enumerate(self.kinds[positions]):
            tokens[row, kind % 3, kind // 3] = 1.0
        return tokens


@pytest.fixture(scope="module")
def overfitted():
    """Train a decoder until it knows the four reports by heart; return the learner and its training."""
    tokens = Tokens(64)
    pairs = {split: Pairs(tokens, tokens.reports, [str(i) for i in range(64)]) for split in ("train", "val")}
    decoder = make_decoder(SIZE, tokens.reports, *channel_statistics(tokens), seed=0)
    learner = Learner(decoder, None, "short_sequence", 64)
    config = TrainingConfig(epochs=20, batch_size=16, lr=1e-2, select="val_loss")
    training = train_decoder(learner, pairs, config, "test", discard_event, "cpu", None, 1.0)
    return learner, training


def test_a_decoder_is_kept_and_made_anew_when_damaged_or_of_other_code(tmp_path, damage):
    """The weights are equal each time; a file of older code, without seal and identity, stays usable."""
    tokens, file, config = Tokens(16), tmp_path / "d.pt", TrainingConfig(epochs=1, batch_size=8, select="val_loss")
    pairs = {split: Pairs(tokens, tokens.reports, [str(i) for i in range(16)]) for split in ("train", "val")}

    def train(notes):
        learner = Learner(
            make_decoder(SIZE, tokens.reports, *channel_statistics(tokens), seed=0), None, "short_sequence", 64
        )
        training = train_decoder(learner, pairs, config, "test", lambda e: notes.append(e.text), "cpu", file, 1.0)
        return training["history"], {name: value.clone() for name, value in learner.state_dict().items()}

    def check(word):
        notes = []
        history, state = train(notes)
        assert history == expected[0] and all(torch.equal(state[name], value) for name, value in expected[1].items())
        assert any(word in note for note in notes) if word else not notes

    expected = train([])
    check("")
    for seed in range(6):
        kind = damage(file, seed)
        check("" if kind == "append" else "is damaged")  # bytes after the end of torch's format do no harm
        check("")
    state = torch.load(file, weights_only=True)
    write_state(file, {**state, "identity": {**state["identity"], "code": "other"}})
    check("made anew: it was made from other code")
    torch.save({name: value for name, value in state.items() if name != "identity"}, file)
    check("")
    assert is_sealed(file)
    torch.save(state, file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    check("is not what was written")


@pytest.mark.parametrize("strategy", ["beam", "greedy"])
def test_it_writes_the_reports_of_its_training(overfitted, strategy):
    learner, training = overfitted
    tokens = Tokens(9)
    texts, cost = generate_reports(learner, tokens, Decoding(strategy), "test", discard_event, "cpu")
    assert texts == tokens.reports
    assert cost["cut"] == 0 and cost["tokens_per_second"] > 0
    assert training["choice"]["score"] == min(epoch["val_loss"] for epoch in training["history"])


def test_sampling_follows_its_seed(overfitted):
    learner, _ = overfitted
    hot = {"strategy": "sample", "temperature": 3.0, "top_p": 1.0}
    first, again, other = (
        generate_reports(learner, Tokens(4), Decoding(seed=seed, **hot), "test", discard_event, "cpu")[0]
        for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("strategy", ["beam", "greedy"])
def test_the_cache_changes_nothing(strategy):
    """The decoder is untrained, so that no step is clear-cut."""
    decoder = make_decoder(SIZE, REPORTS, torch.zeros(4), torch.ones(4), 3, seed=3)
    learner = Learner(decoder, None, "short_sequence", 64).eval()
    ecg = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)) * 5
    with torch.inference_mode():
        with_cache, without = (
            generate_tokens(learner, ecg, Decoding(strategy, cache=cache)) for cache in (True, False)
        )
    assert torch.equal(with_cache, without)
    assert len({tuple(row) for row in with_cache.tolist()}) > 1, "it must look at the recording"


def test_greedy_chooses_the_likeliest_token_of_a_full_pass(overfitted):
    learner, _ = overfitted
    ecg = Tokens(4).batch(np.arange(4))
    with torch.inference_mode():
        ids = generate_tokens(learner, ecg, Decoding("greedy"))
        inputs = torch.cat([torch.full((4, 1), learner.decoder.tokeniser.bos), ids[:, :-1]], 1)
        logits = learner.decoder.gpt(input_ids=inputs, encoder_hidden_states=learner.memory(ecg)).logits
    alive = ids != learner.decoder.tokeniser.pad
    assert torch.equal(logits.argmax(-1)[alive], ids[alive])


def test_the_loss_does_not_depend_on_padding_and_parts():
    decoder = make_decoder(SIZE, REPORTS, torch.zeros(4), torch.ones(4), 3, seed=0).eval()
    ecg = Tokens(8).batch(np.arange(8))
    reports = ["ekg", *REPORTS, "", "vorhofflimmern", "sinus"]
    ids = decoder.tokeniser.encode(reports)
    lengths = (ids[:, 1:] != decoder.tokeniser.pad).sum(1)
    alone = torch.stack([decoder.nll(ecg[i : i + 1], reports[i : i + 1]) for i in range(8)])
    assert decoder.nll(ecg, reports).item() == pytest.approx(((alone * lengths).sum() / lengths.sum()).item(), rel=1e-5)


def test_a_tokeniser_keeps_every_letter_and_cuts_at_its_limit():
    tokeniser = learn_tokeniser(REPORTS, 300, 60)
    texts = ["Überleitungsstörung ➝ 0,12 s", "", "vorhofflimmern"]
    assert tokeniser.decode(tokeniser.encode(texts).tolist()) == texts
    long = "x y z " * 90
    ids = tokeniser.encode([long, "ekg"])
    assert ids.shape == (2, 61) and tokeniser.count_too_long([long, "ekg"]) == 1
    assert tokeniser.eos not in ids[0].tolist() and tokeniser.eos in ids[1].tolist()


def test_equal_seeds_give_equal_decoders_and_leave_the_callers_random_state():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again = (make_decoder(SIZE, REPORTS, torch.zeros(4), torch.ones(4), 3, seed=1) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))


def test_missing_published_weights_are_one_clear_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match=r"'org/no-such-decoder' could not be loaded .* decoder = 'scratch'"):
        make_decoder(DecoderSize("org/no-such-decoder"), REPORTS, torch.zeros(4), torch.ones(4), 3, seed=0)


def test_a_published_decoder_keeps_its_weights_and_gets_new_tokens(small_gpt2):
    """A GPT-2 saved as on the hub: a vocabulary of 300 with an end of text, no [BOS], no [PAD]."""
    from transformers import GPT2LMHeadModel

    published = GPT2LMHeadModel.from_pretrained(small_gpt2)
    size, end = published.config.vocab_size, published.config.eos_token_id
    decoder = make_decoder(DecoderSize(str(small_gpt2), text_tokens=24), REPORTS, torch.zeros(4), torch.ones(4), 3, 0)
    assert torch.equal(decoder.gpt.transformer.wte.weight[:size], published.transformer.wte.weight)
    assert decoder.gpt.transformer.wte.weight.shape[0] == size + 2 and decoder.tokeniser.eos == end
    learner = Learner(decoder, None, "short_sequence", 64)
    texts, _ = generate_reports(learner, Tokens(2), Decoding("greedy"), "test", discard_event, "cpu")
    assert len(texts) == 2
    with pytest.raises(UsageError, match=r"text_tokens is 300; .* has 260 positions"):
        make_decoder(DecoderSize(str(small_gpt2), text_tokens=300), REPORTS, torch.zeros(4), torch.ones(4), 3, seed=0)


def test_features_of_a_trained_encoder_have_a_scale_that_the_decoder_can_read(prepared_home):
    """A fresh ResNet's features are tiny in eval mode, where statistics are taken, and of order 1 in training."""
    from benchmark.engine.building import build
    from benchmark.reporting.recordings import EncodedSignals, encode_tokens
    from benchmark.testing import sample_recordings

    encoder = build("supervised", {"width": 8, "rate": 100.0})
    ecg = sample_recordings(8, encoder.signal)

    class Whole:
        def __len__(self):
            return len(ecg)

        def batch(self, positions):
            return ecg[positions]

    statistics = channel_statistics(EncodedSignals(Whole(), encoder, "short_sequence", 16, "cpu"))
    normalised = make_decoder(SIZE, REPORTS, *statistics, seed=0, moving=True)
    standardised = make_decoder(SIZE, REPORTS, *statistics, seed=0)
    tokens = encode_tokens(encoder.train(), ecg, "short_sequence", 16)
    assert normalised.memory(tokens).abs().mean() < 3 < standardised.memory(tokens).abs().mean()
