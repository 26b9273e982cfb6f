"""Folders of weights that this project trained, and their cards.

``pretrained/<method>-<digest>/`` holds checkpoint.pt (to resume), weights.safetensors, history.csv, curves.svg and
card.json, which is written last: a folder with a card has complete weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmark import canonical
from benchmark.registry import METHODS

WEIGHTS, CARD, HISTORY, CHECKPOINT = "weights.safetensors", "card.json", "history.csv", "checkpoint.pt"
CURVES = "curves.svg"


def weights_folder(method: str, version: int, config: dict[str, Any], recipe: dict[str, Any]) -> str:
    """Return the name of the folder for the weights of a recipe: equal recipes share it."""
    identity = [method, version, weight_options(method, config, recipe), recipe]
    return f"{method}-{canonical.digest(identity)}"


def weight_options(method: str, config: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the options that shape weights: all but `Method.readout_options`, unless these chose the epoch."""
    if recipe["training"].get("select") == "zero_shot_val":
        return config
    return {name: value for name, value in config.items() if name not in METHODS.get(method).readout_options}


def read_card(folder: Path) -> dict[str, Any] | None:
    """Return the card of finished weights, or None; a folder without both files is unfinished."""
    return card_alone(folder) if (folder / WEIGHTS).is_file() else None


def card_alone(folder: Path) -> dict[str, Any] | None:
    """Return a card, or None; collected records have it beside them without the weights."""
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None


def hardware_of(card: dict[str, Any] | None) -> str | None:
    """Return the GPU, or else the processor, that weights were trained on; None where the card does not say."""
    environment: Any = card
    for name in ("provenance", "environment"):
        environment = environment.get(name) if isinstance(environment, dict) else None
    hardware = environment.get("gpu") or environment.get("cpu") if isinstance(environment, dict) else None
    return str(hardware) if hardware else None
