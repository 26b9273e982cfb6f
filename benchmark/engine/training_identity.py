"""Identity of a training: its data, options, code and the shapes of its weights. Only a training of equal identity may
go on from its checkpoint, or use its result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from torch import Tensor, nn

from benchmark.api import Method, SignalSpec
from benchmark.canonical import canonical, digest
from benchmark.data.store.prepared import PreparedDataset
from benchmark.planning.source_digest import source_digest
from benchmark.planning.training_config import TrainingConfig

PARTS = {"data": "other data", "options": "other options", "code": "other code", "form": "weights of other shapes"}
# options that came later; without them a training is what it was before there were any
LATER_OPTIONS = ("window", "chunk", "compile", "resident")


def of(method: nn.Module, data: str, config: TrainingConfig) -> dict[str, Any]:
    """Return the identity of a training of `method` on data with that digest, as plain values."""
    modules = {type(part).__module__ for part in (method, *method.modules()) if isinstance(part, Method)}
    shapes = {name: list(value.shape) for name, value in method.state_dict().items() if _has_fixed_shape(name, value)}
    return {
        "data": data,
        "options": canonical(_options(config)),
        "code": {name: source_digest(name) for name in sorted(modules)},
        "form": digest(shapes),
    }


def _options(config: TrainingConfig) -> dict[str, Any]:
    """Return all options but the later ones at their defaults, so that older checkpoints keep their identity."""
    return {
        name: value
        for name, value in asdict(config).items()
        if name not in LATER_OPTIONS or value != getattr(TrainingConfig, name)
    }


def rows_digest(data: PreparedDataset, rows: np.ndarray, spec: SignalSpec, labels: np.ndarray | None = None) -> str:
    """Return the digest of the recordings of a training: their data, rows, form and labels."""
    total = hashlib.sha256(f"{data.digest} {spec}".encode())
    total.update(np.ascontiguousarray(rows, "<i8").tobytes())
    if labels is not None:
        total.update(np.ascontiguousarray(labels).tobytes())
    return total.hexdigest()[:32]


def difference(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    """Return the differences of two trainings in words; "" for equal ones. `then` is None where it is unknown."""
    if then is None:
        return "it does not say which data it was made from"
    other = [name for part, name in PARTS.items() if then.get(part) != now[part]]
    return f"it was made from {' and '.join(other)}" if other else ""


def _has_fixed_shape(name: str, value: object) -> bool:
    """Whether a tensor has a fixed shape; extra state (a tokeniser, say) has the size of its content."""
    return isinstance(value, Tensor) and not name.endswith("_extra_state")
