"""C-MELT's behaviour: masked texts, positive pairs, losses, checkpoints and errors."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.api import Batch
from benchmark.engine.building import build
from benchmark.engine.training import train
from benchmark.errors import MissingError, UsageError
from benchmark.planning.training_config import TrainingConfig
from benchmark.registry import METHODS
from methods.cmelt import CMELT
from methods.nn.cmelt.masked_text_batch import MaskedTextBatch, clean_report, mask_texts, mask_texts_as_released
from methods.nn.masked_words import IGNORED

TINY = {"width": 32, "depth": 1, "heads": 2, "channels": 16, "position_kernel": 8, "fusion_layers": 2, "mem_layer": 1,
        "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 1, "rate": 100.0, "seconds": 2.5}  # fmt: skip
REPORTS = [
    "Sinus rhythm. Normal EKG.",
    "Atrial fibrillation with rapid response, left axis.",
    "AV block",
    "Paced rhythm ***",
]


def tiny(seed=0, **options):
    return build("cmelt", {**TINY, "text_model": "small", **options}, seed=seed)


def batch_of(count, seed=0):
    ecg = torch.randn(count, 12, 250, generator=torch.Generator().manual_seed(seed)).cumsum(-1) / 10
    return Batch(ecg, [str(i) for i in range(count)], [REPORTS[i % len(REPORTS)] for i in range(count)])


def ready(seed=0, **options):
    method = tiny(seed, **options)
    method.start_pretraining(REPORTS * 2)
    return method


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: a second one only slows networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    """A tiny T5 in a folder, in place of Flan-T5-base."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    path = tmp_path_factory.mktemp("t5")
    words = ["<pad>", "</s>", "<unk>", "<extra_id_0>", *clean_report(" ".join(REPORTS)).replace(".", "").split()]
    tokeniser = Tokenizer(models.WordLevel({w: i for i, w in enumerate(dict.fromkeys(words))}, unk_token="<unk>"))
    tokeniser.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokeniser, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        additional_special_tokens=["<extra_id_0>"],
    ).save_pretrained(path)  # fmt: skip
    sizes = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1, "num_heads": 2, "vocab_size": 40}
    torch.manual_seed(0)
    T5EncoderModel(T5Config(**sizes, feed_forward_proj="gated-gelu")).save_pretrained(path)
    return str(path)


# --- ECG side ------------------------------------------------------------------------------------


def test_registered_and_the_defaults_are_the_official_contract():
    assert METHODS.get("cmelt") is CMELT
    signal = tiny(rate=500.0, seconds=10.0).signal
    assert signal.samples == 5000 and signal.scaling == "millivolt" and signal.leads[4:6] == ("aVL", "aVF")
    assert tiny(lead_order="mimic").signal.leads[4:6] == ("aVF", "aVL")


def test_tokens_features_and_embeddings():
    ecg = batch_of(3).ecg
    vectors = {}
    for features in ("pooled", "projected", "class", "mean"):
        method = tiny(features=features)
        with torch.inference_mode():
            vectors[features] = method.ecg_features(ecg)
            tokens = method.ecg_tokens(ecg)
            torch.testing.assert_close(method.ecg_embeddings(ecg), tiny().ecg_embeddings(ecg))
    assert tokens.shape == (3, 1 + 250 // 16, 32)
    torch.testing.assert_close(vectors["pooled"], vectors["projected"].tanh())
    assert torch.equal(vectors["class"], tokens[:, 0]) and torch.equal(vectors["mean"], tokens[:, 1:].mean(1))


def test_the_encoder_is_blind_to_gain_and_offset_but_not_to_one_leads_gain():
    method, ecg = tiny().double(), batch_of(2).ecg.double()
    with torch.inference_mode():
        plain = method.ecg_features(ecg)
        torch.testing.assert_close(method.ecg_features(1000 * ecg), plain, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(method.ecg_features(ecg + torch.arange(12.0).view(12, 1)), plain)
        assert (method.ecg_features(ecg * torch.linspace(0.2, 3, 12).view(12, 1)) - plain).abs().max() > 0.01
        assert method.ecg_features(torch.zeros_like(ecg)).isfinite().all()


def test_the_initial_gain_lets_the_class_token_see_the_patches():
    with torch.inference_mode():
        official, wide = (
            tiny(initial_gain=gain).ecg_tokens(batch_of(8).ecg)[:, 0].std(0).mean() for gain in (1.0, 2.0)
        )
    assert wide > 2 * official


def test_similarity_is_the_raw_dot_product():
    x, y = torch.randn(2, 5), torch.randn(3, 5)
    assert torch.equal(tiny().similarity(x, y), x @ y.T)


# --- the text side of a batch --------------------------------------------------------------------


def test_reports_are_cleaned_as_in_the_release():
    assert clean_report("  **== Normal EKG - sinus ==** ") == "normal ecg - sinus"
    assert clean_report("") == clean_report(" * ") == ""


def test_negatives_replace_reports_before_words_are_hidden():
    method = ready()
    encoder = method.language_encoder
    reports, texts = ["sinus rhythm", "av block"] * 50, ["sinus rhythm", "paced rhythm"] * 50
    torch.manual_seed(0)
    batch = mask_texts(encoder, reports, texts, 0.25)
    assert batch.aligned.tolist() == [True, False] * 50
    has_label = batch.labels != IGNORED
    assert has_label[::2].any() and not has_label[1::2].any()  # words of another report have no label
    whole = mask_texts(encoder, reports, texts, 0.0)
    assert torch.equal(whole.ids, encoder.tokenise(texts)[0])


def test_the_release_hides_words_of_the_lost_originals():
    encoder = ready().language_encoder
    reports, texts = ["sinus rhythm", "av block"] * 50, ["sinus rhythm", "paced rhythm, left axis, av block"] * 50
    torch.manual_seed(0)
    batch = mask_texts_as_released(encoder, reports, texts, 0.25)
    has_label = batch.labels != IGNORED
    assert has_label[1::2].any()
    originals = encoder.tokenise([*reports, *texts])[0][:100]
    assert torch.equal(torch.where(has_label, batch.labels, batch.ids), originals)
    assert torch.equal(batch.mask, encoder.tokenise(texts)[1])
    assert batch.aligned.tolist() == [True, False] * 50


def test_half_of_the_reports_are_replaced():
    method = ready()
    reports = [clean_report(report) for report in REPORTS * 8]
    torch.manual_seed(0)
    shares = [method._mask_texts(reports).aligned.float().mean().item() for _ in range(20)]
    assert all(0.4 < share < 0.6 for share in shares) and 0.47 < np.mean(shares) < 0.53
    assert ready(replaced=0.0)._mask_texts(reports).aligned.sum() >= len(reports) - 1


def test_equal_reports_are_positive_pairs_and_the_release_takes_them_for_negatives():
    ecg = text = torch.eye(3)
    reports, texts = torch.tensor([7, 7, 8]), torch.tensor([7, 7, 9])  # one report twice; the third has a negative
    batch = MaskedTextBatch(*(torch.zeros(3, 1, dtype=torch.long),) * 3, reports, texts)
    plus, minus = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # on the diagonal, as + and as -
    zero = math.log(2)
    assert tiny().ets_loss(ecg, text, batch).item() == pytest.approx((2 * plus + minus + 6 * zero) / 3)
    assert tiny(released=True).ets_loss(ecg, text, batch).item() == pytest.approx((2 * plus + minus + 6 * zero) / 9)
    text = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # the equal texts are swapped
    assert tiny().ets_loss(ecg, text, batch).item() == pytest.approx((2 * plus + 7 * zero) / 3)
    assert tiny(released=True).ets_loss(ecg, text, batch).item() == pytest.approx((2 * minus + 7 * zero) / 9)


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reports", [["av block"], ["", ""], ["av block"] * 4], ids=["one", "empty", "equal"])
@pytest.mark.parametrize("released", [False, True])
def test_losses_of_odd_batches_are_finite(reports, released):
    method = ready(released=released).train()
    losses = method.loss(Batch(batch_of(len(reports)).ecg, ["x"] * len(reports), reports))
    assert set(losses) == {"mlm", "mem", "etm", "ets"}
    sum(losses.values()).backward()
    assert all(value.isfinite() and value.ndim == 0 for value in losses.values())
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


def test_a_corpus_of_one_report_trains_without_negatives():
    method = tiny().train()
    method.start_pretraining(["av block"] * 3)
    losses = method.loss(Batch(batch_of(3).ecg, ["x"] * 3, ["av block"] * 3))
    assert all(value.isfinite() for value in losses.values())


def test_validation_losses_repeat_and_leave_the_random_stream_alone():
    method, batch = ready(), batch_of(6)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with torch.no_grad():
        first, second = method.loss(batch), method.loss(batch)
    assert first == second and torch.equal(before, torch.get_rng_state())
    assert method.train().loss(batch) != method.loss(batch)


@pytest.mark.parametrize("mem_layer", [0, 1, 2])
def test_computing_only_what_the_losses_read_changes_neither_losses_nor_gradients(mem_layer):
    method = ready(mem_layer=mem_layer, replaced=0.0)
    fuse, losses, gradients = method.fuse, [], []

    def fuse_all(*arguments):
        return fuse(*arguments[:5])

    for function in (fuse, fuse_all):
        method.fuse = function
        method.zero_grad()
        losses.append(method.loss(batch_of(40)))  # texts of several groups
        sum(losses[-1].values()).backward()
        gradients.append({name: weight.grad for name, weight in method.named_parameters() if weight.grad is not None})
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_length_groups_is_still_accepted_and_changes_nothing():
    whole, parts = ready(), ready(length_groups=3)
    parts.load_state_dict(whole.state_dict())
    with torch.no_grad():
        expected, losses = whole.loss(batch_of(8)), parts.loss(batch_of(8))
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-5), name


def test_the_target_is_the_recording_before_lead_masking_unless_released():
    silent = {"lead_masking": 1.0, "mem_ratio": 0.75}
    with torch.no_grad():
        clean_target, masked = ready(**silent).loss(batch_of(4)), ready(released=True, **silent).loss(batch_of(4))
        switched = ready(released=True, mem_target="clean", **silent).loss(batch_of(4))
    assert 0.8 < clean_target["mem"] < 3 and 0.8 < switched["mem"] < 3
    assert masked["mem"] < 0.5 * clean_target["mem"]  # draw_time_out is easier to foretell


def test_bf16_autocast_keeps_the_losses_near():
    method = ready()
    exact = method.loss(batch_of(8))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = method.loss(batch_of(8))
    for name in exact:
        assert rounded[name].dtype == torch.float32
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=0.05), name


def test_a_stopped_training_goes_on_bit_by_bit(tmp_path):
    class Pairs:
        reports = REPORTS * 6
        digest = "pairs of this test"

        def __len__(self):
            return len(self.reports)

        def batch(self, positions):
            ecg = torch.cat([batch_of(1, seed=int(i)).ecg for i in positions])
            return Batch(ecg, list(map(str, positions)), [self.reports[i] for i in positions])

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.epoch == 2:
            raise StopError
        return {}

    def run(method, after=None):
        config = TrainingConfig(epochs=3, batch_size=8)
        return train(method, Pairs(), config, "cmelt", lambda _: None, checkpoint=tmp_path / "c.pt", after_epoch=after)

    with pytest.raises(StopError):
        run(ready(), stop)
    resumed = run(ready(seed=5))  # its initial weights must not matter
    (tmp_path / "c.pt").unlink()
    whole = run(ready())
    assert resumed.history == whole.history and resumed.step == whole.step


# --- files ---------------------------------------------------------------------------------------


def test_official_layouts_and_parts(t5, tmp_path):
    """Files pass the strict loader, as with a user's ``weights = "/path"``."""
    method = build("cmelt", {**TINY, "text_model": t5}, seed=1)
    state, ecg = {k: v.clone() for k, v in method.state_dict().items()}, batch_of(2).ecg
    assert "language_encoder.encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight" in state
    norm = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    renamed = {k.replace(k.split(".")[-1], norm.get(k.split(".")[-1], k.split(".")[-1])): v for k, v in state.items()}
    untied = {k: v for k, v in state.items() if "embed_tokens" not in k}
    side = ("ecg_encoder.", "class_embedding", "multi_modal_ecg_proj.", "unimodal_ecg_pooler.")
    layouts = {
        "bare.pt": state,
        "release.pt": {"model": {**state, "ecg_encoder.mask_emb": torch.zeros(3)}, "epoch": 4},
        "trainer.pt": {"model_state_dict": {f"module.{k}": v for k, v in state.items()}},
        "lightning.pt": {"state_dict": {f"model.{k}": v for k, v in untied.items()}},
        "hub.safetensors": {f"dbeta.{k}": v for k, v in renamed.items()},
        "ecg.safetensors": {k: v for k, v in state.items() if k.startswith(side)},
    }
    with torch.inference_mode():
        features, text = method.ecg_features(ecg), method.text_embeddings(REPORTS)
        for file, content in layouts.items():
            (save_file if file.endswith("safetensors") else torch.save)(content, tmp_path / file)
            alone = build("cmelt", {**TINY, "text_model": None}, weights=tmp_path / file)
            torch.testing.assert_close(alone.ecg_features(ecg), features, msg=file)
            if file != "ecg.safetensors":
                whole = build("cmelt", {**TINY, "text_model": t5}, weights=tmp_path / file)
                torch.testing.assert_close(whole.text_embeddings(REPORTS), text, msg=file)
    with pytest.raises(MissingError, match=r"language_encoder\.shared\.weight is missing(.|\n)*and \d+ more"):
        build("cmelt", {**TINY, "text_model": t5}, weights=tmp_path / "ecg.safetensors")


def test_a_published_text_model_trains_and_its_padding_is_read_only_if_released(t5):
    method = build("cmelt", {**TINY, "text_model": t5, "negative_model": "hashed"}).train()
    method.start_pretraining(REPORTS)
    sum(method.loss(batch_of(4)).values()).backward()
    silent = [name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    ids, mask = method.eval().language_encoder.tokenise(["av block", REPORTS[1].lower()])
    arguments = batch_of(2).ecg, ids, mask, _all_patches(method)
    with torch.inference_mode():
        alone = method.text_features(*method.language_encoder.tokenise(["av block"]))
        torch.testing.assert_close(method.fuse(*arguments).text_feature[:1], alone)
        assert not torch.allclose(method.fuse(*arguments, padding_is_text=True).text_feature[:1], alone, atol=1e-4)


def _all_patches(method):
    from methods.nn.cmelt.masked_patches import draw_visible_patches

    return draw_visible_patches(2, method.signal.samples // 16, 0.0)


@pytest.mark.parametrize("text_model", ["small", "tiny", None])
def test_negatives_need_no_download_where_the_text_model_is_ours(text_model):
    assert build("cmelt", {**TINY, "text_model": text_model}).negative_model == "hashed"


def test_published_models_embed_the_reports_for_n3s(t5):
    method = build("cmelt", {**TINY, "text_model": "small", "negative_model": t5})
    method.start_pretraining(REPORTS * 2)
    assert method._hard_negatives.vectors.shape == (4, 16)
    torch.testing.assert_close(method._hard_negatives.vectors.norm(dim=1), torch.ones(4))
    assert not any("negatives" in name for name in method.state_dict())


def test_a_text_model_in_a_folder_needs_no_other_model(t5, monkeypatch):
    """Offline, with nothing on this machine but that folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    method = build("cmelt", {**TINY, "text_model": t5})
    assert method.negative_model == t5
    method.start_pretraining(REPORTS)
    assert all(loss.isfinite() for loss in method.loss(batch_of(4)).values())


# --- errors --------------------------------------------------------------------------------------


def test_text_needs_a_text_model():
    method, batch = tiny(text_model=None), batch_of(2)
    for ask in (
        lambda: method.text_embeddings(["x"]),
        lambda: method.loss(batch),
        lambda: method.start_pretraining(["x"]),
    ):
        with pytest.raises(UsageError, match="text_model"):
            ask()


def test_errors_name_all_fields_and_the_remedy(tmp_path):
    with pytest.raises(UsageError) as error:
        CMELT(width=100, heads=12, lead_order="mimik", mem_ratio=2.0, mem_layer=9, mem_target="cleen", features="men")
    for part in ("width is 100", "did you mean 'mimic'", "mem_ratio is 2.0", "mem_layer is 9", "'clean'", "'mean'"):
        assert part in str(error.value), part
    with pytest.raises(MissingError, match=r"the text model '.*nowhere'.*hf download"):
        tiny(text_model=str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="start_pretraining"):
        tiny().loss(batch_of(1))
    with pytest.raises(UsageError, match="no reports"):
        tiny().loss(Batch(ecg=torch.zeros(1, 12, 250), record_ids=["1"]))
