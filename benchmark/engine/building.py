"""Construction of a method from its configuration: deterministic in the seed, with its weights or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmark.api import Method
from benchmark.configuration import complete, from_key
from benchmark.engine.checkpoints import load_weights, read_state
from benchmark.errors import MissingError, UsageError
from benchmark.external.method import ExternalMethod
from benchmark.registry import METHODS
from benchmark.weights import values


def build(name: str, config: dict[str, Any], weights: Path | None = None, device: str = "cpu", seed: int = 0) -> Method:
    """Construct a method in eval mode on `device`.

    Random initial weights come from the configuration's ``seed`` if it has one, else from `seed`.
    """
    cls = METHODS.get(name)
    config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    config = complete(cls, config, f"method {name}")
    torch.manual_seed(config.get("seed", seed))
    try:
        method = cls(**config)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the method {name} cannot be built with {config}: {error}") from error
    except (OSError, MissingError) as error:  # files that the constructor reads (a published language model)
        raise MissingError(f"the method {name} cannot be built: {error}") from error
    if isinstance(method, ExternalMethod):
        state = None if weights is None else read_state(weights)
        method.start(config.get("seed", seed), state, device, f"the weights in {weights}")
        return method
    if weights is not None:
        load_weights(method, weights)
    if isinstance(method, torch.nn.Module):
        # a constructor may load weights by itself, so they are checked as well
        values.refuse(values.look_at_method(method), f"the method {name} as built with {config}")
        method.to(device).eval()
    return method


def build_from_key(
    name: str, keyed: dict[str, Any], weights: Path | None = None, device: str = "cpu", seed: int = 0
) -> Method:
    """Build a method from the options in a cell's key, which leaves out those at their first defaults."""
    return build(name, from_key(METHODS.get(name), keyed), weights, device, seed)


def checked_device(device: str | None) -> str:
    """Return `device` if it can be used; without one, "cuda" where torch sees a GPU, else "cpu"."""
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UsageError(f"--device {device}: {str(error).splitlines()[0]}") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise MissingError(f"--device {device}: this installation of torch sees no GPU")
    return device
