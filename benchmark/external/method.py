"""A method of another interpreter as a class of this one, so that planning, caching and scoring need not know."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

import benchmark
from benchmark.api import (
    AlignedMethod,
    Method,
    MethodCard,
    ReportingMethod,
    SequenceMethod,
    SignalSpec,
    Weights,
)
from benchmark.errors import BenchmarkError, MissingError, UsageError, raise_all
from benchmark.external.process import Interpreter
from benchmark.registry import METHODS
from benchmark.weights import values

ABILITIES: dict[str, Any] = {
    "AlignedMethod": AlignedMethod,
    "SequenceMethod": SequenceMethod,
    "ReportingMethod": ReportingMethod,
}


def use_interpreter(name: str, python: str) -> None:
    """Let the registry answer `name` with the method of that name in the interpreter at `python`."""
    known = METHODS.registered(name)
    if known is not None and getattr(known, "python", None) == python:
        return
    if known is not None:
        other = getattr(known, "python", "this interpreter")
        raise UsageError(f"the method {name!r} is in use from {other} already; one run takes it from one place")
    METHODS.register(name)(external_class(name, python))


class ExternalMethod(Method):
    """What every such method does: send recordings or texts, and return what comes back."""

    python: ClassVar[str]
    name: ClassVar[str]
    environment: ClassVar[dict[str, Any]]  # versions there, for the record

    def __init__(self, **config: Any) -> None:
        self._config, self._there = config, None  # type: dict[str, Any], Interpreter | None
        self._device = "cpu"

    def start(
        self, seed: int = 0, state: dict[str, Tensor] | None = None, device: str = "cpu", source: str = "the weights"
    ) -> None:
        """Build it there, with the weights of `state`, which errors call `source`, or with random ones from `seed`."""
        self._device, self._there = device, Interpreter(self.name, self.python)
        arrays = [] if state is None else [_plain(value) for value in state.values()]
        names = None if state is None else list(state)
        self._built, _ = self._there.ask("build", arrays, config=self._config, seed=seed, device=device, state=names)
        raise_all(self._built["problems"], f"{source} do not fit {self._there.who} as configured:", MissingError)
        who = f"{self._there.who} as built" if state is None else f"{source} (for {self._there.who})"
        values.refuse((values.TensorFacts(*row) for row in self._built["tensors"]), who)

    @property
    def signal(self) -> SignalSpec:
        self._started()
        spec: dict[str, Any] = {key: _tuples(value) for key, value in self._built["signal"].items()}
        return SignalSpec(**spec)

    @property
    def parameters_there(self) -> int | None:
        """None where nobody can tell."""
        self._started()
        count: int | None = self._built["parameters"]
        return count

    def ecg_features(self, ecg: Tensor) -> Tensor:
        return self._of_ecg("ecg_features", ecg)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        return self._of_ecg("ecg_embeddings", ecg)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        return self._of_ecg("ecg_tokens", ecg)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        return self._tensor(self._call("text_embeddings", texts=list(texts))[1], "text_embeddings")

    def similarity(self, ecg: Tensor, text: Tensor) -> Tensor:
        self._started()
        if not self._built["own_similarity"]:
            return AlignedMethod.similarity(self, ecg, text)  # type: ignore[arg-type]
        return self._of_ecg("similarity", ecg, text)

    def start_reporting(self, reports: Sequence[str]) -> None:
        self._call("start_reporting", texts=list(reports))

    def write_reports(self, ecg: Tensor) -> list[str]:
        written: list[str] = self._call("write_reports", [ecg])[0]
        return written

    def _of_ecg(self, function: str, *given: Tensor) -> Tensor:
        return self._tensor(self._call(function, given)[1], function)

    def _tensor(self, found: list[Any], function: str) -> Tensor:
        if len(found) != 1:
            raise BenchmarkError(f"{self._started().who}: {function} returned no array")
        return torch.from_numpy(found[0]).to(self._device)

    def _call(
        self, function: str, given: Sequence[Tensor] = (), texts: list[str] | None = None
    ) -> tuple[Any, list[Any]]:
        arrays = [_plain(tensor) for tensor in given]
        return self._started().ask("call", arrays, function=function, texts=texts)

    def _started(self) -> Interpreter:
        if self._there is None:
            self.start()
        assert self._there is not None
        return self._there


def _plain(tensor: Tensor) -> Any:
    """An array of it; bf16, which numpy lacks, becomes float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


@functools.cache
def external_class(name: str, python: str) -> type[ExternalMethod]:
    """Ask the interpreter at `python` what its method `name` is; an ability that it has becomes a base class here."""
    there = Interpreter(name, python)
    found, _ = there.ask("describe")
    if found["harness"] not in (None, benchmark.__version__):
        raise UsageError(
            f"{there.who}: ecgarena {found['harness']} is installed there and {benchmark.__version__} here; install "
            "the same one, or none (a method needs only its own packages there)"
        )
    card = found["card"]
    weights = {tag: Weights(**fields) for tag, fields in card.pop("weights").items()}
    bases = tuple(ABILITIES[ability] for ability in found["abilities"]) or (Method,)
    own = {
        "__module__": __name__,
        "__doc__": f"{found['class']} of {python}.",
        "__signature__": _signature(found["options"], found["required"]),
        "card": MethodCard(**{key: _tuples(value) for key, value in card.items()}, weights=weights),
        "readout_options": tuple(found["readout_options"]),
        "python": python,
        "name": name,
        "environment": found["environment"],
    }
    return type(found["class"], (ExternalMethod, *bases), own)


def _signature(options: dict[str, Any], required: list[str]) -> inspect.Signature:
    empty, keyword = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    defaults = {name: empty if name in required else _tuples(value) for name, value in options.items()}
    return inspect.Signature([inspect.Parameter(name, keyword, default=value) for name, value in defaults.items()])


def _tuples(value: Any) -> Any:
    """JSON knows no tuples."""
    return tuple(value) if isinstance(value, list) else value
