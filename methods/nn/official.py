"""Selection of the entries of an official MERL or DERI checkpoint that a configuration uses.

The release writes two kinds of files. One holds whole models (``ecg_encoder.*``, ``lm_model.*``, heads). The other,
called ``*_encoder.pth``, holds the encoder of recordings alone, without a prefix.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from benchmark.errors import LeftOut

Parts = Literal["all", "encoder"]
PARTS = ("all", "encoder")
ENCODER, TEXT = "ecg_encoder.", "lm_model."
POSITION_IDS = f"{TEXT}embeddings.position_ids"  # a buffer that old releases of transformers wrote


class PartMissing(LeftOut):
    """A part of the model is needed that this configuration leaves out."""


def select_entries(state: dict[str, Tensor], parts: Parts, text: bool) -> dict[str, Tensor]:
    """Select from a state dict; `text` says whether the configuration has a text model.

    For ``parts = "encoder"`` these are the encoder's entries of either kind of file, without its unused output layer
    (whose size depends on the classes of its last user). Raises `PartMissing` when the whole model is needed and the
    file holds the encoder alone.
    """
    whole = any(name.startswith(ENCODER) for name in state)
    if parts == "encoder":
        entries = state if whole else {ENCODER + name: value for name, value in state.items()}
        return {k: v for k, v in entries.items() if k.startswith(ENCODER) and not k.startswith(f"{ENCODER}linear.")}
    if not whole and ("conv1.weight" in state or "to_patch_embedding.weight" in state):
        raise PartMissing(
            "it holds the encoder alone; the rest would be random: set parts = 'encoder' (features only), or give the "
            "file of the whole model"
        )
    return {k: v for k, v in state.items() if (text and k != POSITION_IDS) or not k.startswith(TEXT)}


def require_whole_model(parts: Parts, outputs: str) -> None:
    """Raise `PartMissing` if this configuration has the encoder alone: random weights must not stand in."""
    if parts != "all":
        raise PartMissing(f"{outputs} need the whole model, this one was built with parts = {parts!r}: features only")
