"""Worker: runs in the interpreter of a suite's ``python = ...`` and answers requests over its standard streams.

It must work with little installed: Python 3.8, numpy, and torch if the method needs it (without torch a method receives
and returns numpy arrays). `benchmark.api` comes as a file, unless the harness is installed in that interpreter as well:
then its built-in methods are available too. A message is a line of JSON, followed by the bytes of its arrays.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import platform
import random
import sys
import traceback
import types
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any, BinaryIO

import numpy as np

GROUP = "ecgarena.methods"
ABILITIES = (
    "AlignedMethod",
    "SequenceMethod",
    "ReportingMethod",
)  # only methods of the harness's own interpreter can be trained
PACKAGES = ("numpy", "torch", "tensorflow", "jax", "transformers", "fairseq")


# --- messages, used by both processes ----------------------------------------------------------------


def send(stream: BinaryIO, message: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
    """Write one message."""
    plain = [np.asarray(array, order="C") for array in arrays]
    header = {**message, "arrays": [[array.dtype.str, list(array.shape)] for array in plain]}
    stream.write(json.dumps(header).encode() + b"\n")
    for array in plain:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read one message; raise EOFError when the other process has ended."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    return message, [_read_array(stream, np.dtype(kind), shape) for kind, shape in message.pop("arrays")]


def _read_array(stream: BinaryIO, kind: np.dtype, shape: list[int]) -> np.ndarray:
    size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return np.frombuffer(bytearray(data), kind).reshape(shape)


# --- the method ----------------------------------------------------------------------------------


class Worker:
    """One method: described before it is built, built once, then called."""

    def __init__(self, name: str, api: Any) -> None:
        self.name, self.api, self.method = name, api, None  # type: str, Any, Any
        self.cls = _find_class(name)
        if not (isinstance(self.cls, type) and issubclass(self.cls, api.Method)):
            raise TypeError(f"{self.cls} is no subclass of benchmark.api.Method")

    def describe(self) -> dict[str, Any]:
        """Return the facts that the harness needs to plan cells."""
        parameters = inspect.signature(self.cls).parameters.values()
        plain = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        return {
            "class": self.cls.__name__,
            "card": asdict(self.cls.card),
            "abilities": [name for name in ABILITIES if issubclass(self.cls, getattr(self.api, name))],
            "options": {p.name: None if p.default is p.empty else p.default for p in plain},
            "required": [p.name for p in plain if p.default is p.empty],
            "readout_options": list(self.cls.readout_options),
            "environment": {"python": platform.python_version(), "packages": _package_versions()},
            "harness": getattr(sys.modules["benchmark"], "__version__", None),
            "source_digest": _source_digest(self.cls.__module__),
        }

    def build(
        self, config: dict[str, Any], seed: int, device: str, state: dict[str, np.ndarray] | None
    ) -> dict[str, Any]:
        """Build the method with random numbers from `seed`, load `state` strictly, and return its properties."""
        _seed_all(seed)
        self.device = device
        self.method = self.cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
        )
        masks = self._find_masks()
        used_state = {} if state is None else self._select(state)
        problems = [] if state is None else self._load(used_state)
        tensors = [] if problems else self._describe_tensors(used_state, masks)
        if hasattr(self.method, "eval"):
            self.method.to(device).eval()
        aligned = self.api.AlignedMethod
        return {
            "signal": asdict(self.method.signal),
            "problems": problems,
            "tensors": tensors,
            "own_similarity": issubclass(self.cls, aligned) and self.cls.similarity is not aligned.similarity,
            "parameters": self._count_parameters(),
        }

    def call(self, function: str, arrays: list[np.ndarray], texts: list[str] | None) -> Any:
        """Call a function of the method with arrays, or with texts."""
        arguments = [_to_tensor(array, self.device) for array in arrays] if texts is None else [texts]
        torch = sys.modules.get("torch")
        if torch is None:
            return getattr(self.method, function)(*arguments)
        with torch.inference_mode():
            return getattr(self.method, function)(*arguments)

    def _select(self, state: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return the part of a file that the method uses, as tensors."""
        if not hasattr(self.method, "load_state_dict"):
            return {}
        tensors = {name: _to_tensor(array, "cpu") for name, array in state.items()}
        used_state: dict[str, Any] = self.method.checkpoint_state(tensors)
        return used_state

    def _load(self, state: dict[str, Any]) -> list[str]:
        if not hasattr(self.method, "load_state_dict"):
            return ["it has no weights to load"]
        own = {name: tuple(value.shape) for name, value in self.method.state_dict().items()}
        problems = [f"{name} is missing" for name in own if name not in state]
        problems += [f"{name} is unexpected" for name in state if name not in own]
        problems += [
            f"{name} has the shape {tuple(state[name].shape)} instead of {shape}"
            for name, shape in own.items()
            if name in state and tuple(state[name].shape) != shape
            if not name.endswith("_extra_state")  # its shape depends on its content
        ]
        if not problems:
            self.method.load_state_dict(state)
        return problems

    def _describe_tensors(self, state: dict[str, Any], masks: dict[str, Any]) -> list[list[Any]]:
        """Return name, dtype in the file, own dtype, NaN, infinite values and size of each tensor of the method.

        The harness judges them (`benchmark.weights.values`); the -inf of an attention mask do not count.
        """
        rows = []
        for name, value in self._state().items():
            infinite = value.isinf() & ~(masks[name] & (value < 0)) if name in masks else value.isinf()
            counts = [int(value.isnan().sum()), int(infinite.sum()), value.numel()]
            rows.append([name, _dtype(state.get(name, value)), _dtype(value), *counts])
        return rows

    def _find_masks(self) -> dict[str, Any]:
        """Return where buffers hold -inf after the method is built."""
        named_parameters = getattr(self.method, "named_parameters", tuple)
        parameters = {name for name, _ in named_parameters()}
        buffers = {name: value for name, value in self._state().items() if name not in parameters}
        return {name: value.isinf() & (value < 0) for name, value in buffers.items() if bool(value.isinf().any())}

    def _state(self) -> dict[str, Any]:
        """Return the tensors of a method of torch; {} for any other."""
        if not hasattr(self.method, "state_dict"):
            return {}
        return {name: value for name, value in self.method.state_dict().items() if hasattr(value, "isinf")}

    def _count_parameters(self) -> int | None:
        """Return the number of parameters; None for a method without torch."""
        if not hasattr(self.method, "parameters"):
            return None
        return int(sum(parameter.numel() for parameter in self.method.parameters()))


def _find_class(name: str) -> Any:
    """Return the class called `name` in this environment: of an entry point, or of the harness if it is installed."""
    groups: Any = metadata.entry_points()
    # Python before 3.10 has no `select`
    points = list(groups.select(group=GROUP) if hasattr(groups, "select") else groups.get(GROUP, ()))
    for point in points:
        if point.name == name:
            return point.load()
    if hasattr(sys.modules["benchmark"], "__path__"):
        return importlib.import_module("benchmark.registry").METHODS.get(name)
    names = ", ".join(sorted({point.name for point in points})) or "none"
    raise LookupError(f"no distribution there has an entry point {name!r} in the group {GROUP} (it has {names})")


def _import_api(file: str) -> Any:
    """Import `benchmark.api`, from `file` if it is not installed, with a registry for methods to register in."""
    try:
        return importlib.import_module("benchmark.api")
    except ModuleNotFoundError:
        registry = types.ModuleType("benchmark.registry")
        registry.METHODS = types.SimpleNamespace(register=lambda name: lambda cls: cls)  # type: ignore[attr-defined]
        spec = importlib.util.spec_from_file_location("benchmark.api", file)
        assert spec is not None and spec.loader is not None
        api = importlib.util.module_from_spec(spec)
        parts = {"benchmark": types.ModuleType("benchmark"), "benchmark.api": api, "benchmark.registry": registry}
        sys.modules.update(parts)
        spec.loader.exec_module(api)
        return api


def _to_tensor(array: np.ndarray, device: str) -> Any:
    torch = sys.modules.get("torch")
    return array if torch is None else torch.from_numpy(array).to(device)


def _dtype(value: Any) -> str:
    return str(value.dtype).replace("torch.", "")


def _to_array(value: Any) -> np.ndarray:
    """Return a tensor or an array as an array; bf16, which numpy lacks, becomes float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    return np.asarray(value)


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


# --- the loop ------------------------------------------------------------------------------------


def _source_digest(module: str) -> str:
    """Return the digest of every source file of the method's own package that is loaded; "" where there is none."""
    package = module.split(".")[0]
    own = [own_module for name, own_module in list(sys.modules.items()) if name.split(".")[0] == package]
    files = {str(getattr(own_module, "__file__", "")) for own_module in own}
    sources = sorted(file for file in files if file.endswith(".py"))
    total = hashlib.sha256()
    for source in sources:
        with open(source, "rb") as file:  # noqa: PTH123 (this file imports as little as it can)
            total.update(file.read())
    return total.hexdigest()[:16] if sources else ""


def _handle(worker: Worker, request: dict[str, Any], arrays: list[np.ndarray]) -> tuple[Any, list[np.ndarray]]:
    """Handle one request; return a JSON value and arrays."""
    kind = request["do"]
    if kind == "describe":
        return worker.describe(), []
    if kind == "build":
        names = request["state"]
        state = None if names is None else dict(zip(names, arrays))  # noqa: B905 - Python 3.10
        return worker.build(request["config"], request["seed"], request["device"], state), []
    result = worker.call(request["function"], arrays, request["texts"])
    if result is None or isinstance(result, (list, tuple)):  # nothing, or texts
        return result, []
    return None, [_to_array(result)]


def main(name: str, api: str) -> None:
    """Answer requests for the method `name` until the harness ends; `api` is the path of `benchmark/api.py`."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a method prints goes to the log and not into the answers
    sys.path.pop(0)  # nothing must be imported from the folder of this file
    worker = None
    while True:
        try:
            request, arrays = receive(requests)
        except EOFError:  # the harness has ended
            return
        try:
            worker = worker or Worker(name, _import_api(api))
            value, results = _handle(worker, request, arrays)
            send(answers, {"value": value}, results)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            # compared by name: benchmark.errors need not be installed here
            left_out = any(kind.__name__ == "LeftOut" for kind in type(error).__mro__)
            send(answers, {"error": text, "traceback": traceback.format_exc(), "left_out": left_out})


if __name__ == "__main__":
    main(*sys.argv[1:])
