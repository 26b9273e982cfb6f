"""The method of a cell with its weights: found, or pre-trained where the suite asks for it."""

from __future__ import annotations

from pathlib import Path

from benchmark.engine.events import EventSink
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.pretraining import pretrain
from benchmark.paths import Home
from benchmark.planning.blocks import find_method
from benchmark.planning.plan import Cell


def handle_of(cell: Cell, home: Home, device: str, on_event: EventSink) -> MethodHandle:
    """Return a handle on the cell's method; its weights are trained now if the suite trains them and they are missing.

    Raises `BenchmarkError` where the method or its weights cannot be had.
    """
    spec = cell.spec
    find_method(spec.method, cell.python)
    weights, weights_digest = Path(cell.weights_file) if cell.weights_file else None, spec.weights
    code: dict[str, str] = {}
    if spec.pretraining is not None:
        identity = spec.method, spec.method_version, spec.method_config, spec.pretraining
        pretrained = pretrain(*identity, home, on_event, device)
        weights, weights_digest, code = pretrained.weights, pretrained.sha256, pretrained.card.get("code", {})
    return MethodHandle(spec.method, spec.method_config, spec.method_version, weights, weights_digest, device, code)
