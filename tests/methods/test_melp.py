"""MELP's training: its reading of reports, its losses beside plain computations, its files, and that it learns."""

import functools

import pytest
import torch
import torch.nn.functional as F

from benchmark.api import Batch
from benchmark.contract.methods import sample_recordings
from benchmark.engine.building import build
from benchmark.errors import LeftOut
from methods.nn.melp.beat_alignment import beat_alignment_loss, beat_similarity, sentence_means
from methods.nn.melp.caption_decoder import CaptionDecoder

SIZES = {"width": 32, "depth": 1, "heads": 2, "embed_dim": 16, "queries": 5, "caption_queries": 4, "decoder_layers": 1}
COMPACT = {**SIZES, "channels": 16, "position_kernel": 16, "rate": 100.0, "seconds": 5.0}
REPORTS = ["sinus rhythm. normal ecg.", "atrial fibrillation. left axis.", "av block", "paced rhythm."]


@pytest.fixture(params=["tiny", "published"])
def method(request, bert):
    text_model = bert if request.param == "published" else "tiny"
    learner = build("melp", {**COMPACT, "text_model": text_model, "frozen_layers": 0}, seed=1).eval()
    learner.start_pretraining(REPORTS)
    return learner


# --- reports -------------------------------------------------------------------------------------


def test_a_word_knows_no_later_word_and_the_summary_knows_all(method):
    (first, mask), (second, _) = (
        method.lm_model.tokenise([text]) for text in ("sinus rhythm paced", "sinus rhythm of")
    )
    same = int((first[0, : second.shape[1]] == second[0, : first.shape[1]]).long().cumprod(0).sum())
    assert 1 <= same < first.shape[1]
    with torch.no_grad():
        outputs = [method.lm_model.encode_padded(ids, ids == ids) for ids in (first, second)]
    torch.testing.assert_close(outputs[0].tokens[:, :same], outputs[1].tokens[:, :same])
    assert not torch.allclose(outputs[0].pooled, outputs[1].pooled, atol=1e-4)
    assert not torch.allclose(outputs[0].tokens[:, same], outputs[1].tokens[:, same], atol=1e-4)
    assert mask.all()


def test_reports_open_alike_and_lose_no_word(method):
    ids, mask = method.lm_model.tokenise(REPORTS)
    assert len(set(ids[:, 0].tolist())) == 1 and int(ids[0, 0]) in method.lm_model.special_ids
    assert mask[:, 0].all() and method.lm_model.full_stops
    long = method.lm_model.tokenise(["sinus rhythm " * 200])[0]
    assert long.shape == (1, method.lm_model.max_tokens)
    with torch.no_grad():
        assert method.text_embeddings(["sinus rhythm " * 200]).shape == (1, 16)


def test_a_published_tower_equals_the_causal_language_model_of_transformers(bert):
    """The release reads [BOS], words, [SEP], padding and, at its last position, [CLS]."""
    from transformers import BertLMHeadModel

    tower = build("melp", {**COMPACT, "text_model": bert}).eval().lm_model
    official = BertLMHeadModel.from_pretrained(bert, is_decoder=True, attn_implementation="eager").eval()
    official.resize_token_embeddings(tower.vocab_size)
    official.get_input_embeddings().weight.data = tower._model[0].get_input_embeddings().weight.data
    ids, mask = tower.tokenise(REPORTS)
    space = tower.max_tokens - ids.shape[1]
    whole = F.pad(F.pad(ids, (0, space)), (0, 1), value=tower.tokeniser.cls_token_id)
    readable = F.pad(F.pad(mask, (0, space)), (0, 1), value=True)
    with torch.no_grad():
        states = official(whole, attention_mask=readable.long(), output_hidden_states=True).hidden_states[-1]
        output = tower.encode(ids, mask)
    torch.testing.assert_close(output.pooled, states[:, -1])
    torch.testing.assert_close(output.tokens[mask], states[:, : ids.shape[1]][mask])


@pytest.mark.parametrize(("frozen", "trained"), [(0, 1), (1, 0)])
def test_the_first_layers_of_a_published_model_are_not_trained_but_its_embeddings_are(bert, frozen, trained):
    model = build("melp", {**COMPACT, "text_model": bert, "frozen_layers": frozen}).lm_model._model[0]
    assert all(part.requires_grad == bool(trained) for part in model.encoder.layer[0].parameters())
    assert model.get_input_embeddings().weight.requires_grad


# --- losses --------------------------------------------------------------------------------------


def test_sentences_end_with_full_stops_and_count_no_special_token():
    stop, special = 9, (0, 1)
    ids = torch.tensor([[1, 5, 6, 9, 7, 9, 8], [1, 5, 6, 7, 0, 0, 0], [1, 9, 1, 9, 4, 0, 0], [1, 1, 0, 0, 0, 0, 0]])
    states = torch.randn(4, 7, 3)
    means, present = sentence_means(states, ids, ids > 0, (stop,), special)
    assert present.tolist() == [[True, True], [True, False], [True, True], [False, False]]
    for row, sentence, tokens in (0, 0, [1, 2, 3]), (0, 1, [4, 5]), (1, 0, [1, 2, 3]), (2, 0, [1]), (2, 1, [3]):
        torch.testing.assert_close(means[row, sentence], states[row, tokens].mean(0))


def plain_similarity(beats, sentences):
    """Compute one pair as the formula says it: ``(beat, dim), (sentence, dim)`` -> a number."""
    over_sentences = (beats @ sentences.T).softmax(1)  # (beat, sentence)
    over_beats = (4 * over_sentences.T).softmax(1)  # (sentence, beat)
    cosines = F.cosine_similarity(over_beats @ beats, sentences, dim=1)
    return 10 * (5 * cosines).exp().sum().log()


def test_the_local_loss_is_that_of_the_pairs_one_by_one():
    torch.manual_seed(0)
    beats, counts = torch.randn(3, 5, 8), (2, 1, 3)
    sentences, present = torch.randn(3, 3, 8), torch.arange(3) < torch.tensor(counts)[:, None]
    logits = torch.stack([
        torch.stack([plain_similarity(beats[i], sentences[j, : counts[j]]) for j in range(3)]) for i in range(3)
    ])  # fmt: skip
    torch.testing.assert_close(beat_similarity(beats, sentences, present), logits)
    expected = -(logits.log_softmax(1).diag() + logits.log_softmax(0).diag()).mean() / 2
    torch.testing.assert_close(beat_alignment_loss(beats, sentences, present), expected)


def test_a_pair_without_a_sentence_is_left_out_of_the_local_loss():
    torch.manual_seed(0)
    beats, sentences = torch.randn(3, 5, 8), torch.randn(3, 2, 8).requires_grad_()
    present = torch.tensor([[True, True], [False, False], [True, False]])
    rows = [0, 2]
    expected = beat_alignment_loss(beats[rows], sentences[rows], present[rows])
    torch.testing.assert_close(beat_alignment_loss(beats, sentences, present), expected)
    empty_loss = beat_alignment_loss(beats, sentences, present & False)
    empty_loss.backward()
    assert empty_loss.item() == 0 and not sentences.grad.any()


def test_the_caption_loss_asks_for_each_next_word_and_no_padding():
    torch.manual_seed(0)
    decoder = CaptionDecoder(16, 11, layers=2, heads=2)
    words, memory = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
    ids, lengths = torch.randint(1, 11, (2, 5)), (5, 3)
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    terms = [
        -decoder(words[i : i + 1, :place], memory[i : i + 1])[0, -1].log_softmax(-1)[ids[i, place]]
        for i in range(2)
        for place in range(1, lengths[i])
    ]
    torch.testing.assert_close(decoder.loss(words, ids, mask, memory), torch.stack(terms).mean())


def test_the_three_losses_have_the_weights_of_the_release(method):
    losses = method.loss(Batch(sample_recordings(4, method.signal), ["0"] * 4, reports=REPORTS))
    method.weights = dict.fromkeys(method.weights, 1.0)
    plain = method.loss(Batch(sample_recordings(4, method.signal), ["0"] * 4, reports=REPORTS))
    ratios = {name: (losses[name] / plain[name]).item() for name in losses}
    assert ratios == pytest.approx({"clip": 1.0, "caption": 2.0, "local": 0.2}, rel=1e-5)


def test_the_first_loss_is_the_mean_of_both_directions_with_a_learned_scale(method):
    ecg = sample_recordings(4, method.signal)
    with torch.no_grad():
        clip = method.loss(Batch(ecg, ["0"] * 4, reports=REPORTS))["clip"]
        cosines = method.similarity(method.ecg_embeddings(ecg), method.text_embeddings(REPORTS)) / 0.07
        target = torch.arange(4)
        expected = (F.cross_entropy(cosines, target) + F.cross_entropy(cosines.T, target)) / 2
    torch.testing.assert_close(clip, expected, rtol=1e-4, atol=1e-5)
    method.logit_scale.data.fill_(9.0)
    method.after_step()
    assert method.logit_scale.exp().item() == pytest.approx(100)


def test_leads_are_hidden_in_training_alone(method, monkeypatch):
    shares = []
    monkeypatch.setattr("methods.melp.mask_leads", lambda ecg, share: shares.append(share) or ecg)
    batch = Batch(sample_recordings(2, method.signal), ["0"] * 2, reports=REPORTS[:2])
    method.loss(batch)
    assert not shares
    method.train().loss(batch)
    assert shares == [0.5]


def test_without_a_text_model_there_is_no_training():
    adapter = build("melp", COMPACT)
    with pytest.raises(LeftOut, match="text_model"):
        adapter.loss(Batch(torch.zeros(2, 12, 500), ["0"] * 2, reports=REPORTS[:2]))
    with pytest.raises(LeftOut, match="text_model"):
        adapter.text_embeddings(REPORTS)


# --- files and learning --------------------------------------------------------------------------


def test_a_checkpoint_of_the_official_training_gives_its_text_side_too(bert, tmp_path):
    options = {**COMPACT, "text_model": bert}
    source = build("melp", options, seed=1)
    state = {}
    for name, value in source.state_dict().items():
        tower = not name.startswith(("lm_model.", "proj_t.", "sent_proj.", "text_decoder.", "logit_scale"))
        state[f"ecg_encoder.{name}" if tower else name.replace("lm_model.", "lm_model.bert.")] = value
    state |= {"ecg_encoder.logit_scale": torch.zeros(()), "lm_model.cls.predictions.bias": torch.zeros(3)}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    copy = build("melp", options, tmp_path / "last.ckpt", seed=2)
    for name, value in source.state_dict().items():
        assert torch.equal(copy.state_dict()[name], value), name


def test_it_learns_the_pairs_of_a_few_recordings_in_a_few_steps():
    torch.manual_seed(0)
    learner = build("melp", {**COMPACT, "text_model": "tiny", "dropout": 0.0, "lead_masking": 0.0}, seed=0)
    learner.start_pretraining(REPORTS)
    batch = Batch(sample_recordings(4, learner.signal), ["0"] * 4, reports=REPORTS)
    optimiser = torch.optim.AdamW([part for part in learner.parameters() if part.requires_grad], lr=3e-3)
    evaluate = functools.partial(learner.eval().loss, batch)
    with torch.no_grad():
        before = evaluate()
    learner.train()
    for _ in range(30):
        optimiser.zero_grad()
        sum(learner.loss(batch).values()).backward()
        optimiser.step()
        learner.after_step()
    learner.eval()
    with torch.no_grad():
        after = evaluate()
        scores = learner.similarity(learner.ecg_embeddings(batch.ecg), learner.text_embeddings(REPORTS))
    assert all(after[name] < 0.7 * before[name] for name in before), (before, after)
    assert torch.equal(scores.argmax(1), torch.arange(4))
