"""The sentence vector of a packaged encoder, as its training formed it.

Sentence-transformers (Reimers & Gurevych, EMNLP 2019) train a vector that is not the pooler's: mostly the mean over
words, compared by its direction. The files beside the weights say which (``modules.json``, ``1_Pooling/config.json``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from benchmark.errors import MissingError

MODULES, POOLING = "modules.json", "config.json"
MODES = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}


class SentencePooling(NamedTuple):
    """``pooling(states, mask) -> (batch, width)``: the `mean` over words, or the `first` of them.

    With `normalise` the vector keeps its direction only. Its length is then the root of its width: entries are of
    order one, as those of other towers are, which is what a projector's initial weights expect.
    """

    mode: str
    normalise: bool

    def __call__(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool states ``(batch, token, width)``; `mask` ``(batch, token)`` is False at padding."""
        states = states.float()
        real = mask.unsqueeze(-1)
        pooled = states[:, 0] if self.mode == "first" else (states * real).sum(1) / real.sum(1).clamp(min=1)
        return F.normalize(pooled, dim=-1) * pooled.shape[-1] ** 0.5 if self.normalise else pooled


def read_pooling(folder: Path) -> SentencePooling | None:
    """Return the pooling of a sentence encoder's folder; None where its files describe none."""
    if not (folder / MODULES).is_file():
        return None
    try:
        modules = json.loads((folder / MODULES).read_text("utf-8"))
        kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
        if "Pooling" not in kinds:
            return None
        config = json.loads((folder / kinds["Pooling"] / POOLING).read_text("utf-8"))
        modes = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MissingError(f"{folder / MODULES}: the pooling of this encoder cannot be read ({error})") from error
    unknown = sorted({*kinds} - {"Transformer", "Pooling", "Normalize"}) + [mode for mode in modes if mode not in MODES]
    if unknown or len(modes) != 1:
        raise MissingError(
            f"{folder / MODULES}: this encoder pools by {', '.join(unknown or modes) or 'no mode'}; known are the mean "
            "over words, the first word, and a vector of length one"
        )
    return SentencePooling(MODES[modes[0]], "Normalize" in kinds)
