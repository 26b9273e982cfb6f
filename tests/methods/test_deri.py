"""DERI's behaviour: its loss terms, its variants, padding, cached texts and missing parts."""

import pytest
import torch
import torch.nn.functional as F

from benchmark.api import LEAD_ORDERS, LEADS, Batch
from benchmark.engine.building import build
from benchmark.errors import UsageError
from benchmark.testing import sample_recordings
from methods.deri import DERI, Pairs
from methods.nn.contrastive import clip_loss
from methods.nn.official import PartMissing
from methods.nn.text_side import NoTextModel

REPORTS = ["sinus rhythm.", "atrial fibrillation, left axis.", "", "left bundle branch block with paced rhythm"]
TINY = {"width": 8, "rate": 100.0, "seconds": 4.0, "embed_dim": 16, "decoder_heads": 2, "text_tokens": 64}


def tiny(**options):
    torch.manual_seed(0)
    return DERI(**{**TINY, "text_model": "none", **options}).eval()


def ecg_of(method, count=4):
    return sample_recordings(count, method.signal)


@pytest.fixture
def quiet(bert):
    """Options for a frozen text model without dropout, so that two computations can be compared."""
    return {"text_model": bert, "text_dropout_in_train": False}


def test_the_objective_has_five_terms_and_the_release_four(quiet):
    method, released = tiny(**quiet), tiny(**quiet, released=True)
    batch = Batch(ecg_of(method), list("abcd"), REPORTS)
    torch.manual_seed(1)
    losses = method.loss(batch)
    torch.manual_seed(1)
    pairs = method.compute_pairs(batch.ecg, method.encode_texts(REPORTS))
    assert list(losses) == ["cma", "mix", "rme", "rec_ecg", "rec_text"]
    assert list(released.loss(batch)) == ["cma", "mix", "rme", "rec_ecg"]
    for name, pair in zip(losses, (pairs.aligned, pairs.mixed, pairs.views, pairs.ecg, pairs.text), strict=True):
        assert losses[name].item() == pytest.approx(clip_loss(*pair, 0.07).item(), rel=1e-5), name
    with pytest.raises(UsageError, match="no reports"):
        method.loss(Batch(batch.ecg, list("abcd")))


@pytest.mark.parametrize(
    ("objective", "left"),
    [("no_rme", ["cma", "mix", "rec_ecg", "rec_text"]), ("no_reconstruction", ["cma", "mix", "rme"])],
)
def test_an_ablation_leaves_out_the_terms_of_one_claim_and_changes_no_other(objective, left, quiet):
    method = tiny(**quiet, objective=objective)
    pairs = [torch.randn(4, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(10)]
    terms = method.pair_losses(Pairs(*zip(pairs[::2], pairs[1::2], strict=True)))
    whole = tiny(**quiet).pair_losses(Pairs(*zip(pairs[::2], pairs[1::2], strict=True)))
    assert list(terms) == left and all(terms[name] == whole[name] for name in left)


def test_tokens_follow_rate_and_seconds():
    assert DERI(text_model=None, width=8).ecg_tokens(torch.rand(1, 12, 5000)).shape == (1, 105, 256)
    method = tiny()
    assert method.ecg_tokens(ecg_of(method)).shape == (4, 9, 16)  # 400 samples, 25 steps, every third
    assert method.view_tokens == 8 and tiny(mask_ratio=0.5).view_tokens == 4
    assert tiny(stride=1).ecg_tokens(ecg_of(method)).shape == (4, 25, 16)


def test_variants_of_inference(quiet):
    ecg = ecg_of(tiny())
    mix = tiny()
    tokens = mix.align_tokens(mix.encode(ecg))
    torch.testing.assert_close(tiny(features="aligned").ecg_features(ecg), tokens.mean(1))
    torch.testing.assert_close(tiny(embeddings="aligned").ecg_embeddings(ecg), tokens.mean(1))
    torch.testing.assert_close(tiny(tokens="aligned").ecg_tokens(ecg), tokens)
    assert tiny(features="encoder").ecg_features(ecg).shape == (4, 64)
    assert torch.equal(mix.ecg_features(ecg), mix.ecg_embeddings(ecg))
    assert not torch.allclose(mix.ecg_embeddings(ecg), tokens.mean(1), atol=1e-3)
    assert not torch.allclose(mix.ecg_embeddings(ecg), tiny(consistent_norm=True).ecg_embeddings(ecg), atol=1e-3)
    assert mix.decode_t.tokens == 10 and tiny(sep_token=False).decode_t.tokens == 9


def test_consistent_norm_is_what_training_computes(quiet):
    method = tiny(**quiet, consistent_norm=True)
    ecg = ecg_of(method)
    pairs = method.compute_pairs(ecg, method.encode_texts(REPORTS))
    torch.testing.assert_close(method.ecg_embeddings(ecg), pairs.mixed[0])
    torch.testing.assert_close(F.normalize(method.text_embeddings(REPORTS), dim=-1), pairs.aligned[1])


def test_padding_changes_nothing_unless_configured_as_released(quiet):
    longer = [*REPORTS, "sinus rhythm with first degree av block, " * 4]
    masked, full = tiny(**quiet), tiny(**quiet, text_padding="full")
    for method in (masked, full):
        alone = torch.cat([decoded_ecg(method, [text]) for text in REPORTS])
        torch.testing.assert_close(decoded_ecg(method, longer)[:4], alone, rtol=1e-4, atol=1e-5)
    lengths = [method.encode_texts(REPORTS, method.pad_to).tokens.shape[1] for method in (masked, full)]
    assert lengths[0] < lengths[1] == 64
    assert not torch.allclose(decoded_ecg(masked, REPORTS), decoded_ecg(full, REPORTS), atol=1e-3)


def decoded_ecg(method, texts):
    with torch.no_grad():
        return method.compute_pairs(ecg_of(method, len(texts)), method.encode_texts(texts, method.pad_to)).ecg[1]


def test_cached_text_is_the_same_text_read_once(quiet):
    batch = Batch(ecg_of(tiny()), list("abcd"), [*REPORTS[:3], REPORTS[0]])
    for name in ("deri", "merl"):
        sizes = TINY if name == "deri" else {"width": 8, "rate": 100.0, "seconds": 4.0, "embed_dim": 16}
        plain = build(name, {**sizes, **quiet}).train()
        cached = build(name, {**sizes, **quiet, "cache_text": True}).train()
        inputs = []
        cached.lm_model.register_forward_hook(lambda *call, inputs=inputs: inputs.extend(call[1][0]))
        for _ in range(2):
            expected, values = (losses(method, batch) for method in (plain, cached))
            assert values == pytest.approx(expected, rel=1e-5)
        assert sorted(inputs) == sorted(REPORTS[:3])
        with torch.inference_mode():
            cached.text_embeddings(["paced rhythm"])
        losses(cached, Batch(batch.ecg, list("abcd"), ["paced rhythm"] * 4))  # inference tensors cannot train
        cached.load_state_dict(plain.state_dict())
        assert len(cached.text_cache) == 0


def losses(method, batch):
    torch.manual_seed(2)
    tensors = method.loss(batch)
    sum(tensors.values()).backward()
    return {name: value.item() for name, value in tensors.items()}


def test_a_cache_of_a_trained_text_model_is_refused(bert):
    with pytest.raises(UsageError, match="text_dropout_in_train = false"):
        build("deri", {**TINY, "text_model": bert, "cache_text": True})
    with pytest.raises(UsageError, match="freeze_text = true"):
        build("merl", {"width": 8, "text_model": "small", "text_dropout_in_train": False, "cache_text": True})


def test_an_error_names_the_missing_part():
    encoder = tiny(parts="encoder", features="encoder")
    ecg = ecg_of(encoder)
    assert {name.split(".")[0] for name in encoder.state_dict()} == {"ecg_encoder"}
    assert encoder.ecg_features(ecg).shape == (4, 64)
    for ask in (encoder.ecg_embeddings, encoder.ecg_tokens):
        with pytest.raises(PartMissing, match="need the whole model"):
            ask(ecg)
    for method in (encoder, tiny()):
        with pytest.raises(NoTextModel, match="text_model"):
            method.text_embeddings(["x"])
        with pytest.raises(NoTextModel, match="text_model"):
            method.start_pretraining(["x"])
    for options, message in (
        ({"parts": "encoder"}, "set features = 'encoder'"),
        ({"mask_ratio": 0.99}, "mask_ratio = 0.99 keeps 0 of 9"),
        ({"released": 1}, "released must be true or false"),
        ({"text_padding": "ful"}, "text_padding must be 'masked' or 'full'"),
    ):
        with pytest.raises(UsageError, match=message):
            build("deri", {**TINY, "text_model": "none", **options})


def test_lead_orders_hold_the_same_leads():
    assert LEAD_ORDERS["standard"] == LEADS
    assert all(sorted(order) == sorted(LEADS) for order in LEAD_ORDERS.values())


def test_a_mixed_token_has_the_mean_of_all_decoded_text_as_released_or_its_own_as_an_option():
    """The release adds the same projected mean, over the tokens and the separator, to every token."""
    released, places = tiny(), tiny(token_mix="places")
    ecg = ecg_of(released)
    tokens = released.align_tokens(released.encode(ecg))
    separator = released.decode_e.sep_embedding.expand(len(ecg), 1, -1)
    decoded = released.decode_t(torch.cat([tokens, separator], 1))
    assert decoded.shape[1] == tokens.shape[1] + 1
    torch.testing.assert_close(released.ecg_tokens(ecg) - tokens, projected_mean(released, decoded).expand_as(tokens))
    torch.testing.assert_close(places.ecg_tokens(ecg), tokens + released.project_text(decoded[:, :-1]))
    torch.testing.assert_close(released.ecg_tokens(ecg).mean(1), released.ecg_embeddings(ecg))


def projected_mean(method, decoded):
    return method.project_text(decoded.mean(1, keepdim=True))
