"""A training step of a method starts its kernels without waiting for a GPU."""

import pytest
import torch

from benchmark.api import Batch, SupervisedMethod, TrainableMethod
from benchmark.contract.methods import prepare_for_training, sample_recordings
from benchmark.engine.building import build
from benchmark.registry import METHODS
from methods.nn.transfer import hand_over, true_positions
from tests.methods.test_contract import CASES
from tests.waits import DEVICE, Waits

REPORTS = ["Sinus rhythm. Normal ECG.", "sinus rhythm, left axis deviation", "Atrial fibrillation.", "sinus rhythm"]
NO_TEXT = "melp_adapter"  # a configuration that cannot be trained
CASES_OF_STEPS = {  # every trainable method, and configurations that run other lines
    **{name: (name, {}) for name, case in CASES.items() if name != NO_TEXT},
    "merl, published text": ("merl", {"text_model": "bert"}),
    "merl, published text trained": ("merl", {"text_model": "bert", "freeze_text": False}),
    "deri, published text": ("deri", {"text_model": "bert"}),
    "cgdmer, published text": ("cgdmer", {"text_model": "bert"}),
    "cgdmer, in one pass": ("cgdmer", {"views": "one_pass", "alignment": "infonce", "duplicates": "negative"}),
    "cmelt, published text": ("cmelt", {"text_model": "bert", "negative_model": "hashed"}),
    "melp, published text": ("melp", {"text_model": "bert"}),
}


def trainable(name):
    case = CASES[CASES_OF_STEPS[name][0]]
    return issubclass(METHODS.get(case.method or CASES_OF_STEPS[name][0]), TrainableMethod)


def waits_of_a_step(name, bert):
    """Return the waits of one step, forward, backward and what follows it."""
    base, options = CASES_OF_STEPS[name]
    case = CASES[base]
    options = {option: bert if value == "bert" else value for option, value in options.items()}
    method = build(case.method or base, {**case.config, **options})
    prepare_for_training(method)
    method.train()
    ecg = sample_recordings(len(REPORTS), method.signal)
    method.to(DEVICE)
    labels = torch.eye(len(REPORTS), 3, device=DEVICE) if isinstance(method, SupervisedMethod) else None
    batch = Batch(ecg.to(DEVICE), [str(i) for i in range(len(ecg))], None if labels is not None else REPORTS, labels)
    with Waits() as waits:
        losses = method.loss(batch)
        sum(losses.values(), start=torch.zeros((), device=DEVICE)).backward()
        method.after_step()
    assert any(weight.grad is not None for weight in method.parameters())
    return waits.lines


@pytest.mark.parametrize("name", filter(trainable, CASES_OF_STEPS))
def test_a_training_step_waits_for_nothing(name, bert):
    assert waits_of_a_step(name, bert) == {}


WAYS = {  # one of each kind of wait, and of what is none
    "float(x.sum())": 1,
    "x.tolist()": 1,
    "x.max().item()": 1,
    "bool((x > 0).any())": 1,
    "x[x > 0]": 1,
    "x.nonzero()": 1,
    "torch.masked_select(x, x > 0)": 1,
    "torch.unique(x)": 1,
    "x.cpu()": 1,
    "torch.ones(3).to(x.device)": 1,
    "torch.ones(3).to(x)": 1,
    "torch.tensor([1.0, 2.0], device=x.device)": 1,
    "x[torch.tensor([0, 1])]": 1,
    "x.repeat_interleave(torch.ones(3, dtype=torch.long, device=x.device))": 1,
    "hand_over(torch.ones(3), x.device)": 0,
    "x[true_positions(torch.tensor([True, False, True]), x.device)]": 0,
    "torch.where(x > 0, x, 0.0).sum()": 0,
    "torch.full((3,), 2.0, device=x.device)": 0,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_wait_is_counted(way):
    names = {"torch": torch, "hand_over": hand_over, "true_positions": true_positions}
    with Waits() as waits:
        eval(way, names, {"x": torch.zeros(3, device=DEVICE)})
    assert sum(waits.lines.values()) == WAYS[way]
