"""The feature cache: one pass over the signals per (weights, dataset, layer), shared by all cells.

A file is named after the digest of everything that shapes its content, appears in one move and is verified by its
checksum before a process first uses it. A damaged file is made anew, and a sentence says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from benchmark import canonical
from benchmark.api import AlignedMethod, Layer, Method, SequenceMethod, SignalSpec
from benchmark.atomic import atomic_path
from benchmark.cache.arrays import ArrayWriter, is_usable, read_array
from benchmark.cache.checksums import DamagedFileError, Say, dismiss, log
from benchmark.cache.json_files import read_json, stored_json, write_json
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.cost import model_cost
from benchmark.engine.events import Event, EventSink, notes_to
from benchmark.engine.first_look import first_look
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.prefetch import on_gpu, pinned, read_ahead, run_pipelined
from benchmark.errors import BenchmarkError, UsageError
from benchmark.layers import SEQUENCES, SHORT, shortened

BATCH_GPU = 512


def cached_features(
    handle: MethodHandle, layer: Layer, data: PreparedDataset, rows: np.ndarray, folder: Path, on_event: EventSink
) -> np.memmap:
    """Return ``(len(rows), dim)`` float32, read-only and memory-mapped; the method is built only if it must be.

    A sequence is ``(len(rows), token, dim)``, a short one float16, and written batch by batch: it may exceed the
    memory. The signal form, being part of the method, is in the handle's identity.
    """
    precision, device = handle.precision, handle.device
    whole = _identity(handle, layer, data, rows)
    path = _path(whole, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not _is_usable(path, len(rows), notes_to(on_event)):
            start = time.monotonic()
            plain = handle.method  # operations can be counted in this form, but not in a faster one
            ready = plain.for_inference(precision)
            first_look(plain, ready, layer, data, rows, device, precision)
            with atomic_path(path) as temporary:
                extract(ready, layer, data, rows, on_event, device, temporary)
                seconds = time.monotonic() - start
                cost = {**_model_cost(plain, layer, data, rows, device), "feature_seconds": seconds / len(rows)}
                write_json(path.with_suffix(".json"), {**whole, "seconds": round(seconds, 2), "cost": cost}, indent=1)
    return read_array(path)


def are_cached(handle: MethodHandle, layer: Layer, data: PreparedDataset, rows: np.ndarray, folder: Path) -> bool:
    """Whether `cached_features` of these arguments has a file to read, which may yet turn out to be damaged."""
    return _path(_identity(handle, layer, data, rows), folder).is_file()


def _identity(handle: MethodHandle, layer: Layer, data: PreparedDataset, rows: np.ndarray) -> dict[str, Any]:
    """Return everything that shapes the content of a file of features."""
    place = {"layer": layer, "precision": handle.precision, "data": data.digest, "rows": _rows_digest(rows, data)}
    return {**handle.identity, **place}


def _path(identity: dict[str, Any], folder: Path) -> Path:
    return folder / f"{identity['method']}-{identity['layer']}-{canonical.digest(identity)}.npy"


def stored_cost(path: Path) -> dict[str, float]:
    """Return the cost of extracting a cached feature file; {} for a file of older code, which kept none."""
    try:
        cost: dict[str, float] = read_json(path.with_suffix(".json"))[0].get("cost", {})
        return cost
    except FileNotFoundError:
        return {}


def _is_usable(path: Path, rows: int, say: Say) -> bool:
    """Whether a feature file and the JSON file of its cost are whole: a record needs both.

    Features of older code may have no such JSON file.
    """
    beside = path.with_suffix(".json")
    try:
        read_json(beside)
    except FileNotFoundError:
        pass
    except DamagedFileError as error:
        dismiss(beside, error, say)
        return False
    return is_usable(path, rows, say)


def _model_cost(method: Method, layer: Layer, data: PreparedDataset, rows: np.ndarray, device: str) -> dict[str, float]:
    ecg = torch.from_numpy(data.read(rows[:1], method.signal)).to(device)
    return model_cost(method, _function(method, layer), ecg)


def cached_signal(identity: dict[str, Any], method: Callable[[], Method], folder: Path, say: Say = log) -> SignalSpec:
    """Return the form in which a method wants its signals; cached, so that asking needs no new method."""
    path = folder / f"{identity['method']}-signal-{canonical.digest(identity)}.json"
    return stored_json(path, lambda: asdict(method().signal), _signal, say)


def _signal(content: dict[str, Any]) -> SignalSpec:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return SignalSpec(**fields)


def _space(like: np.ndarray, rows: int, file: Path | None) -> np.ndarray | ArrayWriter:
    shape = (rows, *like.shape[1:])
    return ArrayWriter(file, like.dtype, shape) if file else np.empty(shape, like.dtype)


def extract(
    method: Method,
    layer: Layer,
    data: PreparedDataset,
    rows: np.ndarray,
    on_event: EventSink,
    device: str,
    file: Path | None = None,
) -> np.ndarray:
    """Run the method over `rows` in eval mode; raise when it returns anything but finite ``(batch, dim)``.

    (Or ``(batch, token, dim)`` for a sequence.) With a `file` the result is written there batch by batch.
    """
    function = _function(method, layer)
    size = BATCH_GPU if on_gpu(device) else max(1, method.cpu_batch_samples // method.signal.samples)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]

    def read(part: np.ndarray) -> torch.Tensor:
        return pinned(torch.from_numpy(data.read(part, method.signal)), device)

    out: np.ndarray | ArrayWriter | None = None
    done = 0
    for part, result in zip(parts, run_pipelined(function, read_ahead(read, parts, device), device), strict=True):
        features = result.numpy().astype(np.float16 if layer == "short_sequence" else np.float32, copy=False)
        _check(features, part, data, method, 3 if layer in SEQUENCES else 2)
        out = _space(features, len(rows), file) if out is None else out
        out[done : done + len(part)] = features
        done += len(part)
        on_event(Event("step", f"{layer} of {type(method).__name__}", done, len(rows)))
    if out is None:
        raise UsageError("there are no recordings to extract features from")
    return out.finish() if isinstance(out, ArrayWriter) else out


def _function(method: Method, layer: Layer) -> Callable[[torch.Tensor], torch.Tensor]:
    if layer == "features":
        return method.ecg_features
    if layer == "embeddings" and isinstance(method, AlignedMethod):
        return method.ecg_embeddings
    if layer == "sequence" and isinstance(method, SequenceMethod):
        return method.ecg_tokens
    if layer == "short_sequence" and isinstance(method, SequenceMethod):
        sequence = method.ecg_tokens
        return lambda ecg: shortened(sequence(ecg).float(), SHORT)
    if layer == "tokens" and isinstance(method, SequenceMethod):
        tokens = method.ecg_tokens
        return lambda ecg: tokens(ecg).float().mean(1)
    raise UsageError(f"{type(method).__name__} has no {layer!r}")


def _check(features: np.ndarray, rows: np.ndarray, data: PreparedDataset, method: Method, dims: int) -> None:
    if features.ndim != dims or len(features) != len(rows):
        form = "(batch, dim)" if dims == 2 else "(batch, token, dim)"
        raise BenchmarkError(
            f"{type(method).__name__} returned {features.shape} for {len(rows)} recordings, {form} expected"
        )
    broken = ~np.isfinite(features).reshape(len(features), -1).all(axis=1)
    if broken.any():
        ids = ", ".join(data.record_ids[rows[broken]][:8])
        raise BenchmarkError(f"{type(method).__name__} returned NaN or infinite features for the recordings {ids}")


def _rows_digest(rows: np.ndarray, data: PreparedDataset) -> str:
    whole = len(rows) == len(data) and np.array_equal(rows, np.arange(len(data)))
    return "all" if whole else canonical.digest([int(row) for row in rows])
