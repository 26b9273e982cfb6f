"""A method of another interpreter as an ordinary class, so that planning, caching and scoring see no difference."""

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
    """Register `name` as the method of that name in the interpreter at `python`."""
    cls = METHODS.registered(name)
    if cls is not None and getattr(cls, "python", None) == python:
        return
    if cls is not None:
        other = getattr(cls, "python", "this interpreter")
        raise UsageError(f"the method {name!r} is in use from {other} already; one run takes it from one place")
    METHODS.register(name)(external_class(name, python))


class ExternalMethod(Method):
    """Base of all external methods: sends recordings or texts and returns the results."""

    python: ClassVar[str]
    name: ClassVar[str]
    environment: ClassVar[dict[str, Any]]  # its versions, for the record

    def __init__(self, **config: Any) -> None:
        self._config: dict[str, Any] = config
        self._interpreter: Interpreter | None = None
        self._device = "cpu"

    def start(
        self, seed: int = 0, state: dict[str, Tensor] | None = None, device: str = "cpu", source: str = "the weights"
    ) -> None:
        """Build the method in the other interpreter: load `state`, or initialise from `seed`.

        `source` names the file of `state` in errors. Raises `MissingError` for weights that do not fit.
        """
        self._device, self._interpreter = device, Interpreter(self.name, self.python)
        arrays = [] if state is None else [_to_array(value) for value in state.values()]
        names = None if state is None else list(state)
        self._facts, _ = self._interpreter.ask(
            "build", arrays, config=self._config, seed=seed, device=device, state=names
        )
        raise_all(self._facts["problems"], f"{source} do not fit {self._interpreter.who} as configured:", MissingError)
        who = f"{self._interpreter.who} as built" if state is None else f"{source} (for {self._interpreter.who})"
        values.refuse((values.TensorFacts(*row) for row in self._facts["tensors"]), who)

    @property
    def signal(self) -> SignalSpec:
        self._ensure_started()
        spec: dict[str, Any] = {key: _to_tuple(value) for key, value in self._facts["signal"].items()}
        return SignalSpec(**spec)

    @property
    def parameter_count(self) -> int | None:
        """Return the number of parameters; None for a method without torch."""
        self._ensure_started()
        count: int | None = self._facts["parameters"]
        return count

    def ecg_features(self, ecg: Tensor) -> Tensor:
        return self._call_with_tensors("ecg_features", ecg)

    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        return self._call_with_tensors("ecg_embeddings", ecg)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        return self._call_with_tensors("ecg_tokens", ecg)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        return self._to_tensor(self._call("text_embeddings", texts=list(texts))[1], "text_embeddings")

    def similarity(self, ecg: Tensor, text: Tensor) -> Tensor:
        self._ensure_started()
        if not self._facts["own_similarity"]:
            return AlignedMethod.similarity(self, ecg, text)  # type: ignore[arg-type]
        return self._call_with_tensors("similarity", ecg, text)

    def start_reporting(self, reports: Sequence[str]) -> None:
        self._call("start_reporting", texts=list(reports))

    def write_reports(self, ecg: Tensor) -> list[str]:
        reports: list[str] = self._call("write_reports", [ecg])[0]
        return reports

    def _call_with_tensors(self, function: str, *tensors: Tensor) -> Tensor:
        return self._to_tensor(self._call(function, tensors)[1], function)

    def _to_tensor(self, arrays: list[Any], function: str) -> Tensor:
        if len(arrays) != 1:
            raise BenchmarkError(f"{self._ensure_started().who}: {function} returned no array")
        return torch.from_numpy(arrays[0]).to(self._device)

    def _call(
        self, function: str, tensors: Sequence[Tensor] = (), texts: list[str] | None = None
    ) -> tuple[Any, list[Any]]:
        arrays = [_to_array(tensor) for tensor in tensors]
        return self._ensure_started().ask("call", arrays, function=function, texts=texts)

    def _ensure_started(self) -> Interpreter:
        if self._interpreter is None:
            self.start()
        assert self._interpreter is not None
        return self._interpreter


def _to_array(tensor: Tensor) -> Any:
    """Return a tensor as an array; bf16, which numpy lacks, becomes float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


@functools.cache
def external_class(name: str, python: str) -> type[ExternalMethod]:
    """Return a class for method `name` of the interpreter at `python`; the method's abilities become base classes."""
    interpreter = Interpreter(name, python)
    description, _ = interpreter.ask("describe")
    other = description["harness"]
    if other not in (None, benchmark.__version__):
        raise UsageError(
            f"{interpreter.who}: ecgarena {other} is installed there and {benchmark.__version__} here; "
            "install the same one, or none (a method needs only its own packages there)"
        )
    card = description["card"]
    weights = {tag: Weights(**fields) for tag, fields in card.pop("weights").items()}
    bases = tuple(ABILITIES[ability] for ability in description["abilities"]) or (Method,)
    own = {
        "__module__": __name__,
        "__doc__": f"{description['class']} of {python}.",
        "__signature__": _signature(description["options"], description["required"]),
        "card": MethodCard(**{key: _to_tuple(value) for key, value in card.items()}, weights=weights),
        "readout_options": tuple(description["readout_options"]),
        "python": python,
        "name": name,
        "environment": description["environment"],
        "source_digest": description["source_digest"],  # see `benchmark.planning.source_digest`
    }
    return type(description["class"], (ExternalMethod, *bases), own)


def _signature(options: dict[str, Any], mandatory: list[str]) -> inspect.Signature:
    empty, keyword = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    defaults = {name: empty if name in mandatory else _to_tuple(value) for name, value in options.items()}
    return inspect.Signature([inspect.Parameter(name, keyword, default=value) for name, value in defaults.items()])


def _to_tuple(value: Any) -> Any:
    """Return a list as a tuple, since JSON has no tuples."""
    return tuple(value) if isinstance(value, list) else value
