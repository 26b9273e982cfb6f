"""How to get a method with its weights: built and loaded on first use, not at all where the cache has all features."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.api import AlignedMethod, Method
from benchmark.cache.checksums import sha256_of
from benchmark.engine.building import build_from_key
from benchmark.engine.precision import chosen_precision
from benchmark.engine.text_memory import remember_texts
from benchmark.errors import MissingError
from benchmark.paths import is_file
from benchmark.planning.source_digest import method_code
from benchmark.registry import METHODS


@dataclass(frozen=True)
class MethodHandle:
    """A method by name, configuration and weights; `code` are the digests of the code that trained these, if known."""

    name: str
    config: dict[str, Any]
    version: int
    weights: Path | None
    weights_digest: str | None
    device: str
    code: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def method(self) -> Method:
        """The method with its weights, in eval mode on its device; it remembers the embeddings of texts."""
        method = self._build()
        return remember_texts(method) if isinstance(method, AlignedMethod) else method

    def fresh(self, seed: int) -> Method:
        """Build a method of its own, to be changed: with the weights, else with random ones from `seed`."""
        return self._build(seed)

    def _build(self, seed: int = 0) -> Method:
        """Build a method; raise `MissingError` where its file of weights is not the one that the plan saw.

        Days may lie between, and a training elsewhere may go on writing to it. Its digest is part of the cell's key.
        """
        self._refuse_other_weights()
        method = build_from_key(self.name, self.config, self.weights, self.device, seed)
        self._refuse_other_weights()  # it may have been replaced while it was read
        return method

    def _refuse_other_weights(self) -> None:
        if self.weights is None or self.weights_digest is None or not is_file(self.weights):
            return
        sha256 = sha256_of(self.weights)
        if sha256 != self.weights_digest:
            raise MissingError(
                f"{self.weights} has changed since the run was planned: sha256 {self.weights_digest[:16]}... then, now "
                f"{sha256[:16]}...; give the command again, and keep a copy that nothing writes to"
            )

    @property
    def precision(self) -> str:
        """Of features, not of training."""
        return chosen_precision(METHODS.get(self.name), self.device)

    @property
    def identity(self) -> dict[str, Any]:
        """Identity of the method's output for the feature cache; the method's code is part of it."""
        shaping = {"method": self.name, "version": self.version, "config": self.config}
        return {**shaping, "weights": self.weights_digest, "code": method_code(self.name)}
