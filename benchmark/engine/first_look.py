"""A first look at a method's features of a few recordings, before all of them are extracted.

A few recordings show faults that the finished file would hide: rows that depend on their batch, the same row for
every recording, imaginary parts that would be dropped, and NaN that the fused form for inference turns into 0.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.api import ConstantMethod, Method
from benchmark.data.signals.conditions import ConditionedDataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.output_checks import agreement_problem, alike_problem, ecg_outputs, output_problem
from benchmark.errors import BenchmarkError

OUTPUTS = {"features": "ecg_features", "embeddings": "ecg_embeddings"}  # by layer; all others are made of tokens
LOOKED_AT = 3  # recordings
CANDIDATES = 24  # recordings searched at most for ones that are neither silent nor equal
ROUNDING = 1e-4  # of the largest value: as `ecgarena check` allows
ROUNDING_GPU = 1e-2  # convolutions are TF32 there, of 10 bits, and other sizes of a batch are computed in other orders
ALIKE = 1e-6  # of the largest value: what differs less between recordings is rounding, not a poor encoder
AGREEMENT = {"fp32": 1e-4, "bf16": 5e-2}  # by precision, of the norm


def first_look(
    method: Method, ready: Method, layer: str, data: PreparedDataset, rows: np.ndarray, device: str, precision: str
) -> None:
    """Raise `BenchmarkError` where features of a few of `rows` show that those of all would mean nothing.

    `method` itself is checked, and `ready`, its form for inference in `precision`, is compared with it.
    """
    name = OUTPUTS.get(layer, "ecg_tokens")
    if not len(rows) or name not in ecg_outputs(method):  # the extraction says so
        return
    picked, ecg, different = _picked(method, data, rows)
    with torch.inference_mode():
        problem = _problem(method, ready, name, ecg.to(device), different, precision)
    if problem:
        ids = ", ".join(map(str, data.record_ids[picked]))
        raise BenchmarkError(f"{type(method).__name__}, at a first look (at the recordings {ids}): {problem}")


def _problem(method: Method, ready: Method, name: str, ecg: Tensor, different: bool, precision: str) -> str | None:
    gpu = ecg.device.type != "cpu"
    function = ecg_outputs(method)[name]
    plain = function(ecg)
    if problem := output_problem(name, plain, function, ecg, ROUNDING_GPU if gpu else ROUNDING):
        return problem
    if different and not isinstance(method, ConstantMethod) and (problem := alike_problem(name, plain, ALIKE)):
        return problem
    if ready is method:
        return None
    allowed = max(AGREEMENT[precision], ROUNDING_GPU if gpu else 0.0)
    return agreement_problem(name, plain, ecg_outputs(ready)[name](ecg), allowed)


def _picked(method: Method, data: PreparedDataset, rows: np.ndarray) -> tuple[np.ndarray, Tensor, bool]:
    """Return rows from all over the data, their recordings, and whether these differ and none is silent.

    Under a condition the last is always False: the remaining signal may be what a method ignores.
    """
    candidates = rows[np.unique(np.linspace(0, len(rows) - 1, min(CANDIDATES, len(rows))).astype(int))]
    apart = max(1, len(candidates) // LOOKED_AT)
    usable: list[tuple[int, Tensor]] = []
    for start in range(apart):
        part = candidates[start::apart]
        for row, ecg in zip(part, torch.from_numpy(data.read(part, method.signal)), strict=True):
            if ecg.any() and not any(torch.equal(ecg, other) for _, other in usable):
                usable.append((int(row), ecg))
        if len(usable) >= LOOKED_AT:
            break
    if len(usable) < 2:  # nothing but silence: shapes and NaN can still be checked
        first = candidates[:LOOKED_AT]
        return first, torch.from_numpy(data.read(first, method.signal)), False
    usable = usable[:LOOKED_AT]
    picked = np.array([row for row, _ in usable])
    return picked, torch.stack([ecg for _, ecg in usable]), not isinstance(data, ConditionedDataset)
