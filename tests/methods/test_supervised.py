"""Two baselines: supervised from scratch, and random weights."""

import pytest
import torch

from benchmark.api import Batch
from benchmark.engine.building import build
from benchmark.errors import UsageError
from benchmark.registry import METHODS

TINY = {"width": 8, "rate": 100.0, "seconds": 2.5}


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: a second one only slows networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def supervised(**options):
    torch.manual_seed(0)
    return METHODS.get("supervised")(**TINY, **options)


def random_init(**options):
    return METHODS.get("random_init")(**TINY, **options)


def draw_labelled(count, seed=0):
    """Return recordings of two classes, a slow and a fast wave, which have no effect on the sum over time."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (count, 2), generator=draw).float()
    time = torch.linspace(0, 6.283, 250)
    waves = torch.stack([torch.sin(4 * time), torch.sin(30 * time)])
    ecg = (labels @ waves).unsqueeze(1) + 0.2 * torch.randn(count, 12, 250, generator=draw)
    return Batch(ecg=ecg, record_ids=[str(i) for i in range(count)], labels=labels)


def test_a_short_training_learns_the_labels():
    method = supervised()
    method.start_task(2)
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    first = method.loss(draw_labelled(32))["bce"].item()
    for step in range(40):
        losses = method.train().loss(draw_labelled(32, seed=step + 1))
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    test = draw_labelled(64, seed=999)
    with torch.no_grad():
        scores = method.eval().class_scores(test.ecg)
    assert set(losses) == {"bce"} and losses["bce"].item() < 0.5 * first
    assert ((scores > 0) == (test.labels > 0)).float().mean() > 0.9


def test_a_fresh_output_layer_for_every_task():
    method = supervised()
    with pytest.raises(RuntimeError, match="start_task"):
        method.class_scores(torch.zeros(1, 12, 250))
    for classes in (5, 3):
        method.start_task(classes)
        assert method.class_scores(torch.zeros(2, 12, 250)).shape == (2, classes)
    with pytest.raises(ValueError, match="labels"):
        method.loss(Batch(ecg=torch.zeros(1, 12, 250), record_ids=["1"]))


def test_every_parameter_learns():
    method = supervised()
    method.start_task(2)
    method.loss(draw_labelled(8))["bce"].backward()
    assert all(p.grad is not None and p.grad.any() for p in method.parameters())


def test_a_batch_of_one_and_half_precision_are_finite():
    method = supervised(dropout=0.5)
    method.start_task(2)
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.train().loss(draw_labelled(1))["bce"]
    assert loss.isfinite() and loss.dtype == torch.float32


@pytest.mark.parametrize("make", [supervised, random_init])
def test_features_do_not_depend_on_the_batch(make):
    method, ecg = make().eval(), draw_labelled(5).ecg
    with torch.no_grad():
        together = method.ecg_features(ecg)
        alone = torch.cat([method.ecg_features(one) for one in ecg.split(1)])
    assert together.shape == (5, 64)
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["supervised", "random_init"])
def test_an_unknown_encoder_is_a_clear_error(name):
    with pytest.raises(UsageError, match=r"resnet19.*known: resnet18, resnet34"):
        build(name, {"encoder": "resnet19"})


def test_random_weights_follow_from_the_seed_alone():
    ecg = draw_labelled(3).ecg
    torch.manual_seed(1)
    first = random_init(seed=7)
    torch.manual_seed(2)
    after = torch.rand(1)
    torch.manual_seed(2)
    again, other = random_init(seed=7), random_init(seed=8)
    assert torch.equal(torch.rand(1), after)  # building leaves torch's generator alone
    assert torch.equal(first.ecg_features(ecg), again.ecg_features(ecg))
    assert not torch.allclose(first.ecg_features(ecg), other.ecg_features(ecg))


def test_random_weights_stay_frozen():
    method = random_init()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.train().ecg_features(draw_labelled(8).ecg)
    assert not any(p.requires_grad for p in method.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
