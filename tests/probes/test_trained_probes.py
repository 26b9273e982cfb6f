"""The attention probe, the pruned search and fine-tuning learn, save work and resume."""

import numpy as np
import pytest
import torch
from optuna.distributions import FloatDistribution
from torch import nn

from benchmark.api import Batch, Method, MethodCard, SignalSpec
from benchmark.errors import BenchmarkError, UsageError
from benchmark.metrics.classification import auroc
from benchmark.probes.attention import AttentionProbe, Recipe, predict_logits, token_statistics, train_epochs
from benchmark.probes.finetuning import FineTuned
from benchmark.probes.pruned import search_trainings
from benchmark.testing import FakeMethod

SPACE = {"lr": FloatDistribution(1e-4, 1.0, log=True)}


class InMemory:
    """Tokens in memory."""

    def __init__(self, tokens):
        self.tokens = torch.from_numpy(tokens)

    def __len__(self):
        return len(self.tokens)

    def batch(self, positions):
        return self.tokens[positions]


def sequences(n=300, tokens=12, dim=8, seed=0):
    """One token in twelve, at a random place, has the class: channel 0 marks the token, channel 1 gives the class."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, tokens, dim)).astype(np.float32)
    labels, place = rng.integers(0, 2, (n, 1)), rng.integers(0, tokens, n)
    x[np.arange(n), place, 0] += 6
    x[np.arange(n), place, 1] += 2 * (2 * labels[:, 0] - 1)
    return InMemory(x), labels


def test_attention_finds_the_token_that_matters():
    (train, labels), (new, truth) = sequences(), sequences(seed=1)
    probe = AttentionProbe(*token_statistics(train), classes=1)
    for _ in train_epochs(probe, train, labels, Recipe(lr=0.03, epochs=30)):
        pass
    means = train.tokens.mean(1).numpy(), new.tokens.mean(1).numpy()
    weights = np.linalg.lstsq(means[0] - means[0].mean(0), labels[:, 0] - labels.mean(), rcond=None)[0]
    assert auroc(truth, predict_logits(probe, new))[0] > 0.97
    assert auroc(truth, (means[1] @ weights)[:, None])[0] < 0.95  # the mean token says less


def test_equal_seeds_give_equal_bits_and_statistics_are_those_of_all_tokens():
    train, labels = sequences()
    mean, std = token_statistics(train)
    flat = train.tokens.flatten(0, 1).double()
    assert torch.allclose(mean.double(), flat.mean(0)) and torch.allclose(std.double(), flat.std(0, correction=0))
    logits = []
    for seed in (0, 0, 1):
        probe = AttentionProbe(mean, std, classes=1)
        list(train_epochs(probe, train, labels, Recipe(epochs=2, seed=seed)))
        logits.append(predict_logits(probe, train))
    assert np.array_equal(logits[0], logits[1]) and not np.array_equal(logits[0], logits[2])


def curves(epochs=10, log=None):
    """Return trainings whose score rises to a height that depends on the rate alone, best at 0.01."""

    def fit(settings):
        height = 1 - abs(np.log10(settings["lr"]) + 2) / 4
        for epoch in range(epochs):
            if log is not None:
                log.append(settings["lr"])
            yield height * (1 - 0.5 ** (epoch + 1))

    return fit


def test_pruning_saves_epochs_and_keeps_the_best(tmp_path):
    log, first = [], {"lr": 0.5}
    best, trials, search = search_trainings(curves(log=log), SPACE, first, 20, 0, {})
    assert len(trials) == 20 and trials[0]["lr"] == 0.5 and search["pruner"] == "MedianPruner"
    assert sum(trial["pruned"] for trial in trials) >= 5 and len(log) < 160 < 20 * 10
    assert best["val_macro_auroc"] == max(trial["val_macro_auroc"] for trial in trials) and not best["pruned"]
    assert abs(np.log10(best["lr"]) + 2) < 0.5 and best["epoch"] == 10


def test_a_killed_search_of_trainings_resumes_to_the_same_end(tmp_path):
    whole = search_trainings(curves(), SPACE, {"lr": 0.5}, 12, 3, {"data": "a"})
    journal, log = tmp_path / "search.jsonl", []

    def dies(settings):
        for value in curves(log=log)(settings):
            if len(log) > 45:
                raise KeyboardInterrupt
            yield value

    with pytest.raises(KeyboardInterrupt):
        search_trainings(dies, SPACE, {"lr": 0.5}, 12, 3, {"data": "a"}, journal=journal)
    count = len(journal.read_text().splitlines()) - 1
    assert 3 < count < 12
    log.clear()
    assert search_trainings(curves(log=log), SPACE, {"lr": 0.5}, 12, 3, {"data": "a"}, journal=journal) == whole
    assert len(set(log)) == 12 - count
    log.clear()
    search_trainings(curves(log=log), SPACE, {"lr": 0.5}, 12, 3, {"data": "b"}, journal=journal)
    assert len(set(log)) == 12  # another search: the journal is not used


def test_the_seconds_end_a_search_of_trainings():
    _, trials, search = search_trainings(curves(), SPACE, {"lr": 0.5}, 12, 0, {}, seconds=1e-9)
    assert len(trials) == 1 and "after 1 trials" in search["stopped"]
    with pytest.raises(BenchmarkError, match="at least 1"):
        search_trainings(curves(), SPACE, {"lr": 0.5}, 0, 0, {})


class Deep(nn.Module, Method):
    """Layers that run in another order than they are declared, a weight of its own, and an unused part."""

    card = MethodCard("Deep", "none", "MIT")

    def __init__(self):
        super().__init__()
        self.last, self.first = nn.Linear(16, 4), nn.Linear(12, 16)
        self.text = nn.Linear(3, 3)
        self.shift = nn.Parameter(torch.zeros(12))
        self.requires_grad_(False)

    @property
    def signal(self):
        return SignalSpec(rate=100.0)

    def ecg_features(self, ecg):
        return self.last(self.first(ecg.std(-1) + self.shift).relu())


def test_rates_fall_towards_the_input_in_the_order_of_work():
    method = Deep()
    tuned = FineTuned(method, 2, torch.randn(2, 12, 100))
    groups = tuned.rate_groups(0.01)
    assert [group["scale"] for group in groups] == pytest.approx([0.01, 0.1, 1.0])
    first, last, head = ({id(weight) for weight in group["params"]} for group in groups)
    assert first == {id(method.shift), *map(id, method.first.parameters())}
    assert last == set(map(id, method.last.parameters())) and head == set(map(id, tuned.head.parameters()))
    assert not method.text.weight.requires_grad and method.first.weight.requires_grad
    loss = tuned.loss(Batch(torch.randn(4, 12, 100), list("abcd"), labels=torch.ones(4, 2)))["bce"]
    assert loss.item() == pytest.approx(np.log(2))  # the head starts at 0
    assert method.first.weight.grad is None


def test_what_cannot_be_fine_tuned_is_an_error():
    with pytest.raises(UsageError, match="no torch module"):
        FineTuned(FakeMethod(), 2, torch.randn(2, 12, 100))
    frozen = Deep()
    frozen.ecg_features = lambda ecg: ecg.std(-1)
    with pytest.raises(BenchmarkError, match="nothing to fine-tune"):
        FineTuned(frozen, 2, torch.randn(2, 12, 100))
