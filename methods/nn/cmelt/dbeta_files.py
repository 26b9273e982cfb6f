"""Selection and renaming of the entries of a D-BETA file that a C-MELT uses.

Known layouts: the release's torch file (``model``), the same behind prefixes that wrappers add, and ECG-only subsets.
"""

from __future__ import annotations

from torch import Tensor

TEXT_PARTS = (
    "language_encoder.", "multi_modal_language_", "modality_type_embeddings.", "multi_modal_ecg_layers.",
    "multi_modal_ecg_pooler.", "unimodal_language_pooler.", "mlm_head.", "mim_head.", "itm_head.",
)  # fmt: skip
PREFIXES = ("module.", "model.", "dbeta.")
UNUSED = "ecg_encoder.mask_emb"  # of a pre-training of the encoder alone; the release drops it too
TIED = ("language_encoder.shared.weight", "language_encoder.encoder.embed_tokens.weight")


def select_entries(state: dict[str, Tensor], text: bool) -> dict[str, Tensor]:
    """Select and rename the entries of a state dict; without `text`, leave out those of the text side and the fusion.

    One of T5's two tied tables may be missing. Any other missing entry is left to the strict loader, which refuses it.
    """
    state = {_released_name(name): value for name, value in state.items() if not name.endswith(".position_ids")}
    state.pop(UNUSED, None)
    if not text:
        return {name: value for name, value in state.items() if not name.startswith(TEXT_PARTS)}
    for name, twin in (TIED, TIED[::-1]):
        if name in state:
            state.setdefault(twin, state[name])
    return state


def _released_name(name: str) -> str:
    """Return the released name: without a prefix, with the older names of a weight-normalised convolution."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        name = name.replace(f"parametrizations.weight.{new}", old)
    return name
