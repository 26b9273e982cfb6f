"""A loss that contrasts the recordings of a batch learns nothing from one alone: such a training is refused."""

import pytest
import torch

from benchmark.api import MethodCard, SignalSpec, TrainableMethod
from benchmark.configuration import distinct
from benchmark.contract.methods import method_checks
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import batch_problem, pretrain
from benchmark.errors import UsageError
from benchmark.planning.blocks import recipe
from benchmark.registry import METHODS

CONFIG = {"width": 8, "rate": 100.0}
PATIENTS = {"patients": 120}
CONTRASTIVE = {"merl", "deri", "ecg_clip", "cgdmer", "simclr", "moco_v3", "w2v_cmsc_rlm", "barlow_twins", "melp"}


def learn(home, method, batch_size, limit=None):
    cls = METHODS.get(method)
    config = distinct(cls, CONFIG, method)
    training = {"epochs": 1, "batch_size": batch_size}
    return pretrain(
        method, cls.card.version, config, recipe(method, cls, "synthetic", PATIENTS, training) | {"limit": limit}, home,
        discard_event,
    )  # fmt: skip


def test_who_has_negatives_in_the_batch_says_so():
    trainable = [METHODS.get(name) for name in METHODS.names() if issubclass(METHODS.get(name), TrainableMethod)]
    assert {cls.__module__.split(".")[-1] for cls in trainable if cls.smallest_batch > 1} == CONTRASTIVE


@pytest.mark.parametrize(
    "batch_size, limit, reason",
    [(1, None, "but batch_size is 1"), (1, 1, "but batch_size is 1"), (64, 1, "but there is 1 recording in all")],
)
def test_a_batch_of_one_is_refused_with_a_sentence(prepared_home, batch_size, limit, reason):
    with pytest.raises(UsageError, match=f"simclr cannot be pre-trained so: .* needs 2 or more, {reason}"):
        learn(prepared_home, "simclr", batch_size, limit)


def test_a_batch_of_two_is_trained_and_a_single_validation_recording_is_no_loss(prepared_home):
    """Of the limit's two recordings in each split all are used; of one in validation there would be a loss of 0."""
    assert learn(prepared_home, "simclr", 64, limit=2).card["final"]["val_loss"] > 0
    method = METHODS.get("simclr")(**CONFIG)
    assert batch_problem(method, 2, 64) == "" and "1 recording in all" in batch_problem(method, 1, 64)


class Pairs(torch.nn.Module, TrainableMethod):
    """A method with InfoNCE within the batch, whose author did not think of batches of one."""

    card = MethodCard(title="Pairs", paper="none", licence="none")
    needs_reports = False

    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(12, 4)

    @property
    def signal(self):
        return SignalSpec(rate=100.0)

    def ecg_features(self, ecg):
        return self.map(ecg.mean(-1))

    def loss(self, batch):
        features = self.ecg_features(batch.ecg)
        return {"pairs": torch.nn.functional.cross_entropy(features @ features.T, torch.arange(len(features)))}


def test_the_contract_finds_who_does_not_say_so():
    with pytest.raises(AssertionError, match=r"a batch of 1 gives no gradient; .* smallest_batch = 2"):
        method_checks(Pairs())["loss and gradients"]()
    method = Pairs()
    method.smallest_batch = 2
    method_checks(method)["loss and gradients"]()
