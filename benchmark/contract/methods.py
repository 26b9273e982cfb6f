"""Checks of a method: `method_checks` returns them one by one, `check_method` runs all of them.

Every check tells the expected and the actual value. The same checks serve the built-in methods and those of plug-in
authors (`from benchmark.testing import check_method`).
"""

from __future__ import annotations

import copy
import functools
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.api import (
    AlignedMethod,
    Batch,
    ConstantMethod,
    Method,
    ReportingMethod,
    SignalSpec,
    SupervisedMethod,
    TrainableMethod,
)
from benchmark.contract import Checks
from benchmark.data.signals.signal import adapt
from benchmark.datasets.synthetic import Synthetic
from benchmark.engine.checkpoints import load_weights, save_weights
from benchmark.engine.output_checks import alike_problem, close, ecg_outputs, output_problem
from benchmark.errors import LeftOut

REPORTS = (
    "Sinus rhythm. Normal ECG.",
    "Atrial fibrillation with rapid ventricular response, left axis deviation, non-specific ST changes.",
    "",
    "Left bundle branch block.",
    "Sinus rhythm. Normal ECG.",  # repeated: real corpora have thousands of equal reports
    "Vorhofflimmern, Linkstyp.",
)
RECORDINGS = len(REPORTS)
LONG = "sinus rhythm with first degree av block and left anterior fascicular block, " * 4
CLASSES = 3


def check_method(
    method: Method, fresh: Method | None = None, unused: Sequence[str] = (), tolerance: float = 1e-4
) -> None:
    """Raise AssertionError where a method breaks the contract.

    In eval mode: shapes, float32, finite values, determinism, independence of the batch and of the padding of texts,
    outputs on the device of the input. In training: finite scalar losses (also for a batch of one, for equal and for
    empty reports), the same losses for the same random numbers, and a gradient in every parameter that requires one,
    except those whose name matches a pattern of `unused`; frozen parameters do not change. With `fresh`, the same
    configuration with other random weights: a file of the weights carries everything.
    """
    for check in method_checks(method, fresh, unused, tolerance).values():
        with suppress(LeftOut):
            check()


def method_checks(
    method: Method,
    fresh: Method | None = None,
    unused: Sequence[str] = (),
    tolerance: float = 1e-4,
    at_hand: Tensor | None = None,
) -> Checks:
    """Return the checks of `check_method` by name; the first one that runs computes what all of them need.

    `at_hand` are `RECORDINGS` recordings in the method's form, in place of synthetic ones.
    """

    @functools.cache
    def recordings() -> Tensor:
        prepare_for_training(method)
        return sample_recordings(RECORDINGS, method.signal) if at_hand is None else at_hand

    def check_output(name: str) -> None:
        ecg = recordings()
        with torch.inference_mode():
            differs = not isinstance(method, ConstantMethod)
            function = ecg_outputs(method)[name]
            _check_rows(name, function, ecg, tolerance, differs)
            _check_extremes(name, function, ecg)

    def check_without_gradients(check: Callable[..., None], *more: Any) -> None:
        with torch.inference_mode():
            check(method, recordings(), *more)

    checks: Checks = {name: functools.partial(check_output, name) for name in ecg_outputs(method)}
    if isinstance(method, ReportingMethod):
        checks["write_reports"] = functools.partial(check_without_gradients, _check_reports)
    if isinstance(method, AlignedMethod):
        checks["text_embeddings"] = functools.partial(check_without_gradients, _check_texts, tolerance)
    if isinstance(method, torch.nn.Module):
        checks["device"] = lambda: _check_device(method, recordings())
        if fresh is not None:
            checks["save and load"] = lambda: _check_round_trip(method, fresh, recordings())
    if isinstance(method, TrainableMethod):
        checks["loss and gradients"] = lambda: _check_training(method, recordings(), unused)
    return checks


def prepare_for_training(method: Method) -> None:
    """Bring a method to the start of a training: tokeniser learnt, output layer attached, eval mode."""
    if isinstance(method, TrainableMethod) and not isinstance(method, SupervisedMethod):
        with suppress(LeftOut):  # a configuration for features alone
            method.start_pretraining(list(REPORTS))
    _finish_setup(method)


def _finish_setup(method: Method) -> None:
    if isinstance(method, SupervisedMethod):
        method.start_task(CLASSES)
    if isinstance(method, torch.nn.Module):
        method.eval()


def sample_recordings(count: int = 5, spec: SignalSpec | None = None) -> Tensor:
    """Return synthetic recordings ``(count, lead, time)`` in the form of `spec`."""
    spec = spec or SignalSpec(rate=100.0)
    dataset = Synthetic(rate=100, patients=count, seed=3)
    ecg = np.stack([dataset.read(entry, None).adc / 1000.0 for entry in dataset.entries(None)[:count]])
    return torch.from_numpy(adapt(ecg.astype(np.float32), 100, spec))


# --- eval mode -----------------------------------------------------------------------------------


def _check_reports(method: ReportingMethod, ecg: Tensor) -> None:
    texts = []
    for _ in range(2):
        method.start_reporting(REPORTS)
        texts.append(method.write_reports(ecg))
    assert len(texts[0]) == len(ecg), f"write_reports: {len(ecg)} texts expected, {len(texts[0])} came"
    assert all(isinstance(text, str) for text in texts[0]), "write_reports: every report must be a text"
    assert texts[0] == texts[1], "write_reports: started again, it writes other reports for the same recordings"


def _check_rows(
    name: str, function: Callable[[Tensor], Tensor], ecg: Tensor, tolerance: float, differs: bool = True
) -> None:
    output = function(ecg)
    problem = output_problem(name, output, function, ecg, tolerance)
    assert problem is None, problem
    assert output.dtype == torch.float32, f"{name}: torch.float32 expected, {output.dtype} came"
    assert torch.equal(output, function(ecg)), f"{name}: two calls on the same recordings differ (eval mode?)"
    problem = alike_problem(name, output[:2], tolerance) if differs else None
    assert problem is None, problem


def _check_extremes(name: str, function: Callable[[Tensor], Tensor], ecg: Tensor) -> None:
    """Check that a recording without contact or with a gain wrong by a thousand cannot end a run of hours."""
    for kind, extreme in {
        "flat at 0 mV": torch.zeros_like(ecg[:1]),
        "a thousand times too large": 1e3 * ecg[:1],
    }.items():
        assert torch.isfinite(function(extreme)).all(), f"{name}: NaN or infinite values for a recording {kind}"


def _check_texts(method: AlignedMethod, ecg: Tensor, tolerance: float) -> None:
    texts = [*REPORTS, LONG]
    embeddings = method.text_embeddings(texts)
    assert embeddings.ndim == 2 and len(embeddings) == len(texts), (
        f"text_embeddings: (text, dim) expected, {tuple(embeddings.shape)} came"
    )
    assert embeddings.dtype == torch.float32, f"text_embeddings: torch.float32 expected, {embeddings.dtype} came"
    assert torch.isfinite(embeddings).all(), "text_embeddings: NaN or infinite values"
    assert torch.equal(embeddings, method.text_embeddings(texts)), "text_embeddings: two calls on the same texts differ"
    single = torch.cat([method.text_embeddings([text]) for text in texts])
    assert close(embeddings, single, tolerance), (
        "text_embeddings depend on the other texts of the batch, or on how far those make it pad"
    )
    scores = method.similarity(method.ecg_embeddings(ecg), embeddings)
    expected = (len(ecg), len(texts))
    assert scores.shape == expected, (
        f"similarity: {expected} expected for {len(ecg)} recordings and {len(texts)} texts, {tuple(scores.shape)} came"
    )


def _check_device(method: Method, ecg: Tensor) -> None:
    """Check that everything is and stays on the method's device; without a GPU, torch's meta device finds strays."""
    device = "cuda" if torch.cuda.is_available() else "meta"
    replica = copy.deepcopy(method)
    assert isinstance(replica, torch.nn.Module)
    replica.to(device)
    with torch.inference_mode():
        inputs = ecg.to(device)
        calls = {name: functools.partial(function, inputs) for name, function in ecg_outputs(replica).items()}
        if isinstance(replica, AlignedMethod):
            calls["text_embeddings"] = functools.partial(replica.text_embeddings, REPORTS)
        for name, call in calls.items():
            with suppress(LeftOut):
                output = _call_on(device, name, call)
                assert output.device.type == device, (
                    f"{name}: a tensor on {device} expected, one on {output.device} came"
                )


def _call_on(device: str, name: str, call: Callable[[], Tensor]) -> Tensor:
    try:
        return call()
    except RuntimeError as error:  # torch also raises it for an operation that the device lacks
        raise AssertionError(f"{name} on the device {device}: {error} (a tensor made on another device?)") from error


def _check_round_trip(method: Method, fresh: Method, ecg: Tensor) -> None:
    _finish_setup(fresh)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "weights.safetensors"
        assert isinstance(method, torch.nn.Module)
        save_weights(method, path)
        load_weights(fresh, path)
        after = ecg_outputs(fresh)
        for name, function in ecg_outputs(method).items():
            with suppress(LeftOut):
                same = torch.equal(function(ecg), after[name](ecg))
                assert same, f"{name} differs after saving and loading the weights"
        if isinstance(method, AlignedMethod) and isinstance(fresh, AlignedMethod):
            with suppress(LeftOut):
                # not to the bit: what one of them has cached may have been padded to another length
                same = close(method.text_embeddings(REPORTS), fresh.text_embeddings(REPORTS), 1e-5)
                assert same, "text_embeddings differ after saving and loading the weights (the tokeniser?)"


# --- training ------------------------------------------------------------------------------------


def _check_training(method: TrainableMethod, ecg: Tensor, unused: Sequence[str]) -> None:
    learner = copy.deepcopy(method)
    assert isinstance(learner, torch.nn.Module)
    learner.train()
    frozen = {name: weight.clone() for name, weight in learner.named_parameters() if not weight.requires_grad}
    first, again = (_compute_losses(learner, ecg, len(ecg)) for _ in range(2))
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in again.items()}, (
        "loss: the same batch and random numbers give other losses (is there a generator of its own?)"
    )
    learner.zero_grad(set_to_none=True)
    sum(again.values(), start=torch.zeros(())).backward()
    problems = []
    for name, weight in learner.named_parameters():
        has_gradient = weight.grad is not None and bool(weight.grad.any())
        is_listed = any(re.fullmatch(pattern, name) for pattern in unused)
        if name in frozen and not torch.equal(frozen[name], weight):
            problems.append(f"{name} is frozen and moves in loss (a momentum encoder moves in after_step)")
        elif weight.requires_grad and not has_gradient and not is_listed:
            problems.append(f"{name} gets no gradient")
        elif has_gradient and is_listed:
            problems.append(f"{name} is listed as unused and has a gradient")
    assert not problems, "gradients:\n  " + "\n  ".join(problems)
    learner.zero_grad(set_to_none=True)
    sum(_compute_losses(learner, ecg, method.smallest_batch).values(), start=torch.zeros(())).backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in learner.parameters()), (
        f"loss: a batch of {method.smallest_batch} gives no gradient; where the others of a batch are its negatives, "
        "set smallest_batch = 2"
    )
    broken = [name for name, value in learner.state_dict().items() if not torch.isfinite(value.float()).all()]
    assert not broken, f"a training step leaves NaN or infinite values in {', '.join(broken)}"


def _compute_losses(method: TrainableMethod, ecg: Tensor, size: int) -> dict[str, Tensor]:
    """Return the losses of the first `size` recordings, with the same random numbers at every call."""
    ids = [str(i) for i in range(size)]
    batch = Batch(ecg[:size], ids, REPORTS[:size])
    if isinstance(method, SupervisedMethod):
        batch = Batch(ecg[:size], ids, labels=torch.eye(CLASSES)[torch.arange(size) % CLASSES])
    torch.manual_seed(0)
    losses = method.loss(batch)
    assert losses, "loss: at least one named loss expected, none came"
    for name, value in losses.items():
        assert value.shape == (), f"loss {name}: a scalar expected, {tuple(value.shape)} came"
        assert torch.isfinite(value), f"loss {name} is {value.item()} for a batch of {size}"
    return losses
