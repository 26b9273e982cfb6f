"""Cost of features per recording: parameters, floating point operations, seconds.

FLOPs are those of matrix products and convolutions in one forward pass of one recording, as torch counts them
(``torch.utils.flop_counter``, a multiplication and an addition are two); methods that are no torch modules have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmark.api import Method
from benchmark.external.method import ExternalMethod


def model_cost(method: Method, function: Callable[[Tensor], Tensor], ecg: Tensor) -> dict[str, float]:
    """Return ``parameters`` of the whole method and ``flops`` of `function` on one recording ``(1, lead, time)``."""
    if isinstance(method, ExternalMethod):  # its operations cannot be counted from here
        return {} if method.parameter_count is None else {"parameters": method.parameter_count}
    if not isinstance(method, torch.nn.Module):
        return {"parameters": 0, "flops": 0}
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        function(ecg)
    return {"parameters": sum(p.numel() for p in method.parameters()), "flops": counter.get_total_flops()}


def merge_costs(passes: Sequence[tuple[str, int, dict[str, float]]]) -> dict[str, float]:
    """Merge the costs per recording of several passes: the layer, the number of recordings and the cost of each.

    A recording goes once through the model for each layer, so the FLOPs and seconds of layers add up. The passes of a
    layer over several splits are parts of one, and count by their recordings.
    """
    costs_by_layer: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for layer, recordings, cost in passes:
        if cost:  # a pass of older code has none
            costs_by_layer.setdefault(layer, []).append((recordings, cost))
    if not costs_by_layer:
        return {}
    layers = costs_by_layer.values()
    totals = {name: sum(_mean(costs, name) for costs in layers) for name in ("flops", "feature_seconds")}
    return {"parameters": max(cost.get("parameters", 0) for costs in layers for _, cost in costs), **totals}


def _mean(costs: Sequence[tuple[int, dict[str, float]]], name: str) -> float:
    """Return the mean over all recordings; equal costs give the very same number."""
    values = {cost.get(name, 0) for _, cost in costs}
    if len(values) == 1:
        return values.pop()
    total = sum(recordings for recordings, _ in costs)
    return sum(recordings * cost.get(name, 0) for recordings, cost in costs) / total
