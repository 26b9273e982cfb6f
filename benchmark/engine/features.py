"""The feature cache: one pass over the signals per (weights, dataset, layer), shared by all cells.

A file is named after the digest of everything that shapes its content and appears in one move.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import FileLock

from benchmark import canonical
from benchmark.api import AlignedMethod, Method, SequenceMethod
from benchmark.atomic import atomic_path, write_text
from benchmark.data.prepared import PreparedDataset
from benchmark.engine.events import Event, Report
from benchmark.errors import BenchmarkError, UsageError

# features: the backbone's output; embeddings: pooled, in the space of the texts; tokens: their mean;
# sequence: the tokens themselves
Layer = Literal["features", "embeddings", "tokens", "sequence"]
POOLED_LAYERS = ("features", "embeddings", "tokens")  # one vector per recording: what a probe can take
BATCH = 32  # small batches stay in the CPU's caches: see the performance notes in the README
BATCH_GPU = 512


def cached_features(
    identity: dict[str, Any],
    layer: Layer,
    method: Callable[[], Method],
    data: PreparedDataset,
    rows: np.ndarray,
    folder: Path,
    report: Report,
    device: str,
) -> np.ndarray:
    """Return ``(len(rows), dim)`` float32, read-only and memory-mapped; `method` is called only if it must be.

    A sequence is ``(len(rows), token, dim)`` and written as it comes: it may be larger than the memory.

    `identity` says which weights these are; the signal form, being part of the method, is in it.
    """
    whole = {**identity, "layer": layer, "precision": "fp32", "data": data.digest, "rows": _rows_digest(rows, data)}
    path = folder / f"{identity['method']}-{layer}-{canonical.digest(whole)}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            started = time.monotonic()
            with atomic_path(path) as temporary:
                extract(method(), layer, data, rows, report, device, temporary)
                seconds = round(time.monotonic() - started, 2)
                write_text(path.with_suffix(".json"), json.dumps({**whole, "seconds": seconds}, indent=1))
    return np.load(path, mmap_mode="r")


def layer_missing(layer: str, method: type[Method]) -> str | None:
    """A sentence when methods of that class do not have that layer, else None."""
    if layer == "embeddings" and not issubclass(method, AlignedMethod):
        return f"{method.__name__} has no embeddings in a space shared with text"
    if layer in ("tokens", "sequence") and not issubclass(method, SequenceMethod):
        return f"{method.__name__} gives no tokens"
    return None


def _space(shape: tuple[int, ...], file: Path | None) -> np.ndarray:
    return np.lib.format.open_memmap(file, "w+", np.float32, shape) if file else np.empty(shape, np.float32)


def extract(
    method: Method,
    layer: Layer,
    data: PreparedDataset,
    rows: np.ndarray,
    report: Report,
    device: str,
    file: Path | None = None,
) -> np.ndarray:
    """Run the method over `rows` in eval mode; raise when it returns anything but finite ``(batch, dim)``.

    (Or ``(batch, token, dim)`` for a sequence.) With a `file` the result is written there as it comes.
    """
    function = _function(method, layer)
    size = BATCH_GPU if torch.device(device).type == "cuda" else BATCH
    out: np.ndarray | None = None
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            found = function(torch.from_numpy(data.read(part, method.signal)).to(device)).float().cpu().numpy()
            _check(found, part, data, method, 3 if layer == "sequence" else 2)
            out = _space((len(rows), *found.shape[1:]), file) if out is None else out
            out[start : start + size] = found
            title = f"{layer} of {type(method).__name__}"
            report(Event("step", title, min(start + size, len(rows)), len(rows)))
    if out is None:
        raise UsageError("there are no recordings to extract features from")
    return out


def _function(method: Method, layer: Layer) -> Callable[[torch.Tensor], torch.Tensor]:
    if layer == "features":
        return method.ecg_features
    if layer == "embeddings" and isinstance(method, AlignedMethod):
        return method.ecg_embeddings
    if layer == "sequence" and isinstance(method, SequenceMethod):
        return method.ecg_tokens
    if layer == "tokens" and isinstance(method, SequenceMethod):
        tokens = method.ecg_tokens
        return lambda ecg: tokens(ecg).float().mean(1)
    raise UsageError(f"{type(method).__name__} has no {layer!r}")


def _check(found: np.ndarray, rows: np.ndarray, data: PreparedDataset, method: Method, dims: int) -> None:
    if found.ndim != dims or len(found) != len(rows):
        form = "(batch, dim)" if dims == 2 else "(batch, token, dim)"
        raise BenchmarkError(
            f"{type(method).__name__} returned {found.shape} for {len(rows)} recordings, {form} expected"
        )
    broken = ~np.isfinite(found).reshape(len(found), -1).all(axis=1)
    if broken.any():
        ids = ", ".join(data.record_ids[rows[broken]][:8])
        raise BenchmarkError(f"{type(method).__name__} returned NaN or infinite features for the recordings {ids}")


def _rows_digest(rows: np.ndarray, data: PreparedDataset) -> str:
    whole = len(rows) == len(data) and np.array_equal(rows, np.arange(len(data)))
    return "all" if whole else canonical.digest([int(row) for row in rows])
