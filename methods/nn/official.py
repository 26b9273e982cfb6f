"""Which entries of an official MERL or DERI checkpoint a configuration uses.

The release writes whole models (``ecg_encoder.*``, ``lm_model.*``, heads) and, in files called ``*_encoder.pth``,
the recordings' encoder alone, without a prefix.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Parts = Literal["all", "encoder"]
PARTS = ("all", "encoder")
ENCODER, TEXT = "ecg_encoder.", "lm_model."
POSITION_IDS = f"{TEXT}embeddings.position_ids"  # a buffer that old releases of transformers wrote


class PartMissing(ValueError):  # noqa: N818 - it reads as what it says
    """Something needs a part of the model that this configuration leaves out."""


def used_entries(state: dict[str, Tensor], parts: Parts, text: bool) -> dict[str, Tensor]:
    """Select from a state dict; `text` says whether the configuration has a text model.

    For ``parts = "encoder"`` the encoder's entries of either kind of file, without its unused output layer (which
    has as many rows as its last user had classes). Raises `PartMissing` when all is wanted of an encoder's file.
    """
    whole = any(name.startswith(ENCODER) for name in state)
    if parts == "encoder":
        named = state if whole else {ENCODER + name: value for name, value in state.items()}
        return {k: v for k, v in named.items() if k.startswith(ENCODER) and not k.startswith(f"{ENCODER}linear.")}
    if not whole and ("conv1.weight" in state or "to_patch_embedding.weight" in state):
        raise PartMissing(
            "it holds the encoder alone; the rest would be random: set parts = 'encoder' (features only), or give the "
            "file of the whole model"
        )
    return {k: v for k, v in state.items() if (text and k != POSITION_IDS) or not k.startswith(TEXT)}


def require_all(parts: Parts, what: str) -> None:
    """Refuse what the encoder alone cannot do; never fall back to random weights."""
    if parts != "all":
        raise PartMissing(f"{what} need the whole model, this one was built with parts = {parts!r}: features only")
