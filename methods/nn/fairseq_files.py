"""Names in the files of fairseq-signals (W2V-CMSC, ECG-FM, MELP), mapped to those of `methods.nn.wav2vec`.

Since January 2025 fairseq-signals stores its weight norm as a parametrisation; older files, that of ECG-FM among them,
have ``weight_g`` and ``weight_v``, which are the names here.
"""

from __future__ import annotations

from torch import Tensor

WEIGHT_NORM = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
ENCODER = ("feature_extractor.", "layer_norm.", "post_extract_proj.", "conv_pos.", "encoder.")
PRETRAINING = ("mask_emb", "quantizer.", "project_q.", "final_proj.")  # read by the pre-training objective alone


def our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries under the names of this project: weight norm by direction and length."""
    return {_rename(name): value for name, value in state.items()}


def without_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's entries of a fine-tuned file, where they carry ``encoder.`` and a classifier ``proj.``.

    A file of pre-training is returned unchanged.
    """
    if not any(name.startswith("encoder.feature_extractor.") for name in state):
        return state
    return {name.removeprefix("encoder."): value for name, value in state.items() if not name.startswith("proj.")}


def _rename(name: str) -> str:
    for official, own in WEIGHT_NORM.items():
        name = name.replace(official, own)
    return name
