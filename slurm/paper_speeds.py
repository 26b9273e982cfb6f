"""Seconds of a pre-training at a paper's sizes, from the speeds in docs/performance.md, where nobody has run it yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.planning.training_config import TrainingConfig, number_of_steps

SPEEDS = {"merl": 3444.0, "deri": 1957.0, "cmelt": 790.0, "cgdmer": 420.0}  # pairs/s on one H200, bf16, batch 128
SMALLEST_SHARE = 128  # pairs; below it nothing was measured, so a smaller share of a batch counts as one of this size
SIZES = ("encoder", "width", "depth", "rate", "text_model")  # a configuration that sets one is not of a paper's size


def seconds_of_steps(
    method: str, config: Mapping[str, Any], training: Mapping[str, Any], recordings: float, processes: int
) -> float | None:
    """Return the seconds of all steps on as many H200, without reading and validation; None for other sizes."""
    if method not in SPEEDS or any(option in config for option in SIZES):
        return None
    options = TrainingConfig(**training)
    share = max(options.batch_size / processes, SMALLEST_SHARE) * options.accumulate
    return number_of_steps(int(recordings), options) * share / SPEEDS[method]
