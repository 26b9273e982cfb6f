"""MERL's behaviour: trained and frozen parts, dropout, checkpoints and errors."""

import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.api import Batch
from benchmark.engine.building import build
from benchmark.engine.checkpoints import load_weights
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import pretrain
from benchmark.errors import MissingError, UsageError
from benchmark.planning.blocks import recipe
from benchmark.registry import METHODS
from methods.merl import MERL
from methods.nn.text import HubTextEncoder, TokeniserMissing
from methods.nn.text_side import NoTextModel

RHYTHMS = {"sinus rhythm": 3, "atrial fibrillation": 9, "av block": 18, "paced rhythm": 36}  # cycles in the window_mask
SIDES = {"left axis": 0.0, "right axis": 1.5}  # phase between leads


def draw_pairs(count, seed=0, samples=250):
    """Return recordings whose frequency and phase are those of the report, and the reports."""
    draw = torch.Generator().manual_seed(seed)
    time = torch.linspace(0, 2 * math.pi, samples)
    ecg, reports = [], []
    for i in range(count):
        rhythm, side = list(RHYTHMS)[i % 4], list(SIDES)[i // 4 % 2]
        start = 6 * torch.rand((), generator=draw)
        phases = start + SIDES[side] * torch.arange(12)[:, None]
        noise = 0.1 * torch.randn(12, samples, generator=draw)
        ecg.append(0.5 + 0.4 * torch.sin(RHYTHMS[rhythm] * time + phases) + noise)
        reports.append(f"{rhythm}, {side}.")
    return torch.stack(ecg), reports


def batch_of(count, seed=0, **options):
    ecg, reports = draw_pairs(count, seed, **options)
    return Batch(ecg=ecg, record_ids=[str(i) for i in range(count)], reports=reports)


def tiny(encoder="resnet18", seed=0, **options):
    torch.manual_seed(seed)
    width = 8 if encoder.startswith("resnet") else 64
    return MERL(**{"encoder": encoder, "width": width, "rate": 100.0, "seconds": 2.5, "embed_dim": 32,
                   "patch": 25, "text_model": "small", **options})  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: a second one only slows networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "vit_tiny"])
def test_dimensions_and_batch_size_invariance(encoder):
    method = tiny(encoder, text_model=None).eval()
    ecg, _ = draw_pairs(5)
    with torch.no_grad():
        features, embeddings = method.ecg_features(ecg), method.ecg_embeddings(ecg)
        assert features.shape == (5, 64)
        assert embeddings.shape == (5, 32)
        alone = torch.cat([method.ecg_embeddings(one) for one in ecg.split(1)])
    torch.testing.assert_close(alone, embeddings, rtol=1e-4, atol=1e-5)


def test_registered_and_the_signal_is_the_official_one():
    assert METHODS.get("merl") is MERL
    signal = MERL(text_model=None, width=8).signal
    assert signal.samples == 5000 and signal.scaling == "minmax_record"
    assert signal.leads[3:6] == ("aVR", "aVF", "aVL")
    assert MERL(text_model=None, width=8, lead_order="standard").signal.leads[3:6] == ("aVR", "aVL", "aVF")


@pytest.mark.parametrize("encoder", ["resnet18", "vit_tiny"])
def test_gradients_reach_everything_but_the_unused_layer(encoder):
    method = tiny(encoder)
    batch = batch_of(8)
    method.start_pretraining(batch.reports)
    sum(method.loss(batch).values()).backward()
    without_gradient = {name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()}
    assert without_gradient <= {"ecg_encoder.linear.weight", "ecg_encoder.linear.bias"}, without_gradient


def test_a_hub_text_model_is_frozen_but_noisy(bert):
    method = tiny(text_model=bert).train()
    sum(method.loss(batch_of(8)).values()).backward()
    assert all(p.grad is None and not p.requires_grad for p in method.lm_model.parameters())
    assert method.proj_t[0].weight.grad.any()
    noisy = method.lm_model(["av block"]).pooled
    assert not torch.equal(noisy, method.lm_model(["av block"]).pooled)  # dropout, as in the release
    quiet = tiny(text_model=bert, text_dropout_in_train=False).train()
    assert quiet.training and not quiet.lm_model.training
    trained = tiny(text_model=bert, freeze_text=False)
    sum(trained.loss(batch_of(8)).values()).backward()
    assert trained.lm_model.embeddings.word_embeddings.weight.grad.any()


def test_losses_are_named_and_finite_for_a_batch_of_one():
    for encoder in ("resnet18", "vit_tiny"):
        method = tiny(encoder).train()
        batch = batch_of(1)
        method.start_pretraining(batch.reports)
        losses = method.loss(batch)
        assert set(losses) == {"cma", "uma"}
        sum(losses.values()).backward()
        assert all(value.isfinite() for value in losses.values())
        assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)
        assert all(value.isfinite().all() for value in method.state_dict().values())


def test_views_differ_by_dropout_only_in_training():
    method = tiny(text_model=None)
    method.linear2.load_state_dict(method.linear1.state_dict())
    ecg, _ = draw_pairs(2)
    _, first, second = method.eval().ecg_views(ecg)
    assert torch.equal(first, second)
    _, first, second = method.train().ecg_views(ecg)
    assert not torch.equal(first, second)


def test_a_short_training_learns_the_pairs():
    method = tiny(temperature=0.07)
    pool, unseen = batch_of(256), batch_of(32, seed=1)
    method.start_pretraining(pool.reports)
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3)
    history = []
    for step in range(100):  # at 60, rounding alone moves the accuracy from 1.0 to 0.6
        rows = torch.arange(32) + 32 * (step % 8)
        losses = method.train().loss(Batch(pool.ecg[rows], [str(i) for i in rows], [pool.reports[i] for i in rows]))
        history.append(losses["cma"].item())
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    # four equal pairs in eight kinds: no loss can fall below 2 ln 4
    assert sum(history[-5:]) / 5 < 2 * math.log(4) + 0.3 * (history[0] - 2 * math.log(4))
    kinds = sorted(set(unseen.reports))
    with torch.no_grad():
        method.eval()
        scores = method.similarity(method.ecg_embeddings(unseen.ecg), method.text_embeddings(kinds))
    right = torch.tensor([kinds.index(report) for report in unseen.reports])
    assert (scores.argmax(1) == right).float().mean() > 0.7  # chance: 1 in 8


def test_a_file_of_the_state_is_complete(tmp_path):
    method = tiny().eval()
    batch = batch_of(4)
    method.start_pretraining(batch.reports)
    save_file(method.state_dict(), tmp_path / "merl.safetensors")
    fresh = tiny(seed=1).eval()
    fresh.load_state_dict(load_file(tmp_path / "merl.safetensors"))
    with torch.no_grad():
        assert torch.equal(fresh.text_embeddings(batch.reports), method.text_embeddings(batch.reports))
        assert torch.equal(fresh.ecg_embeddings(batch.ecg), method.ecg_embeddings(batch.ecg))
    fresh.start_pretraining(["continuing keeps the tokeniser that the weights were trained with"])
    assert torch.equal(fresh.lm_model.get_extra_state(), method.lm_model.get_extra_state())


def test_official_checkpoints_load_without_their_text_model(bert, tmp_path):
    """Files pass the strict loader, as with a user's ``weights``."""
    full = tiny(text_model=bert)
    assert "lm_model.embeddings.word_embeddings.weight" in full.state_dict()
    state = {name: v for name, v in full.state_dict().items() if not name.startswith("proj_t.0")}
    bare = tiny(text_model=None)
    state |= {name: v for name, v in bare.state_dict().items() if name.startswith("proj_t.0")}
    torch.save(state, tmp_path / "official.pth")
    load_weights(bare, tmp_path / "official.pth")
    assert torch.equal(bare.downconv.weight, full.downconv.weight)


def test_bf16_autocast_keeps_the_losses_near():
    method = tiny(dropout=0.0).eval()
    batch = batch_of(8)
    method.start_pretraining(batch.reports)
    exact = method.loss(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = method.loss(batch)
    for name in exact:
        assert rounded[name].dtype == torch.float32
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=0.05)


def test_text_needs_a_text_model():
    method, batch = tiny(text_model=None), batch_of(2)
    for ask in (
        lambda: method.text_embeddings(["x"]),
        lambda: method.loss(batch),
        lambda: method.start_pretraining(["x"]),
    ):
        with pytest.raises(NoTextModel, match="text_model"):
            ask()


def test_pretraining_without_a_text_model_is_refused(prepared_home):
    arguments = "merl", 1, {"width": 8, "text_model": "none"}
    data = recipe("merl", MERL, "synthetic", {"patients": 120}, {})
    with pytest.raises(UsageError, match=r"merl cannot be pre-trained as configured(.|\n)*set text_model to 'small'"):
        pretrain(*arguments, data, prepared_home, discard_event)


def test_errors_name_field_and_remedy(tmp_path):
    with pytest.raises(UsageError, match=r"encoder = 'resnet19'.*did you mean 'resnet18'"):
        MERL(encoder="resnet19")
    with pytest.raises(UsageError, match=r"lead_order = 'mimik'.*did you mean 'mimic'"):
        MERL(lead_order="mimik", text_model=None)
    with pytest.raises(MissingError, match=r"merl cannot be built: the text model '.*nowhere'.*text_model = 'small'"):
        build("merl", {"width": 8, "text_model": str(tmp_path / "nowhere")})
    with pytest.raises(TokeniserMissing, match=r"no tokeniser yet.*load weights"):
        tiny().text_embeddings(["sinus rhythm"])
    with pytest.raises(UsageError, match="no reports"):
        tiny().loss(Batch(ecg=torch.zeros(1, 12, 250), record_ids=["1"]))


def test_the_text_model_is_cased_as_the_release_is(bert):
    encoder = HubTextEncoder(bert).eval()
    assert torch.equal(encoder(["AV Block"]).pooled, encoder(["av block"]).pooled)
