"""The feature cache: one pass over the signals per (weights, dataset, layer), shared by all cells.

A file is named after the digest of everything that shapes its content and appears in one move.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import FileLock

from benchmark import canonical
from benchmark.api import AlignedMethod, Method, SequenceMethod, SignalSpec
from benchmark.atomic import atomic_path, write_text
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.cost import model_cost
from benchmark.engine.events import Event, EventSink
from benchmark.engine.prefetch import on_gpu, pinned, read_ahead, run_pipelined
from benchmark.errors import BenchmarkError, UsageError

# features: the backbone's output; embeddings: pooled, in the space of the texts; tokens: their mean;
# sequence: the tokens themselves; short_sequence: at most SHORT of them, each a mean of neighbours, in float16
Layer = Literal["features", "embeddings", "tokens", "sequence", "short_sequence"]
SEQUENCES = ("sequence", "short_sequence")
SHORT = 64
POOLED_LAYERS = ("features", "embeddings", "tokens")  # one vector per recording: what a probe can take
PRECISIONS = ("auto", "fp32", "bf16")
PRECISION_VARIABLE = "ECGARENA_PRECISION"  # a variable, so that worker processes inherit it
BATCH_GPU = 512


def cached_features(
    identity: dict[str, Any],
    layer: Layer,
    method: Callable[[], Method],
    data: PreparedDataset,
    rows: np.ndarray,
    folder: Path,
    on_event: EventSink,
    device: str,
    precision: str = "fp32",
) -> np.memmap:
    """Return ``(len(rows), dim)`` float32, read-only and memory-mapped; `method` is called only if it must be.

    A sequence is ``(len(rows), token, dim)``, a short one float16, and written as it comes: it may be larger than the
    memory.

    `identity` says which weights these are; the signal form, being part of the method, is in it.
    """
    whole = {**identity, "layer": layer, "precision": precision, "data": data.digest, "rows": _rows_digest(rows, data)}
    path = folder / f"{identity['method']}-{layer}-{canonical.digest(whole)}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            started = time.monotonic()
            plain = method()  # its operations can be counted, those of a faster form cannot
            ready = plain.for_inference(precision)
            with atomic_path(path) as temporary:
                extract(ready, layer, data, rows, on_event, device, temporary)
                seconds = time.monotonic() - started
                cost = {**_model_cost(plain, layer, data, rows, device), "feature_seconds": seconds / len(rows)}
                write_text(
                    path.with_suffix(".json"),
                    json.dumps({**whole, "seconds": round(seconds, 2), "cost": cost}, indent=1),
                )
    loaded: np.memmap = np.load(path, mmap_mode="r")
    return loaded


def stored_cost(path: Path) -> dict[str, float]:
    """What making a file of the cache took; {} for one that was made before this was kept."""
    try:
        cost: dict[str, float] = json.loads(path.with_suffix(".json").read_text("utf-8")).get("cost", {})
        return cost
    except (OSError, ValueError):
        return {}


def _model_cost(method: Method, layer: Layer, data: PreparedDataset, rows: np.ndarray, device: str) -> dict[str, float]:
    ecg = torch.from_numpy(data.read(rows[:1], method.signal)).to(device)
    return model_cost(method, _function(method, layer), ecg)


def cached_signal(identity: dict[str, Any], method: Callable[[], Method], folder: Path) -> SignalSpec:
    """The form in which a method wants its signals; kept in a file, so that it need not be built again to be asked."""
    path = folder / f"{identity['method']}-signal-{canonical.digest(identity)}.json"
    try:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        kept = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
        return SignalSpec(**kept)
    except (OSError, ValueError, TypeError):
        spec = method().signal
        write_text(path, json.dumps(asdict(spec)))
        return spec


def chosen_precision(method: type[Method], device: str) -> str:
    """What features of `method` are computed in: bf16 where it has such a form and the device has the arithmetic.

    ``ECGARENA_PRECISION=fp32`` (or bf16) overrules the device; a method without a bf16 form stays at fp32.
    """
    wanted = os.environ.get(PRECISION_VARIABLE, "auto")
    if wanted not in PRECISIONS:
        raise UsageError(f"{PRECISION_VARIABLE} is {wanted!r}; it must be one of {', '.join(PRECISIONS)}")
    if "bf16" not in method.precisions or wanted == "fp32":
        return "fp32"
    return "bf16" if wanted == "bf16" or has_bf16(device) else "fp32"


def has_bf16(device: str) -> bool:
    """Whether the device multiplies bf16 in hardware; a CPU that only emulates it is many times slower than in fp32."""
    if on_gpu(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def layer_missing(layer: str, method: type[Method]) -> str | None:
    """A sentence when methods of that class do not have that layer, else None."""
    if layer == "embeddings" and not issubclass(method, AlignedMethod):
        return f"{method.__name__} has no embeddings in a space shared with text"
    if layer in ("tokens", *SEQUENCES) and not issubclass(method, SequenceMethod):
        return f"{method.__name__} gives no tokens"
    return None


def shortened(tokens: torch.Tensor, most: int) -> torch.Tensor:
    """``(batch, token, dim)`` -> at most `most` tokens, each the mean of neighbours."""
    if tokens.shape[1] <= most:
        return tokens
    return torch.nn.functional.adaptive_avg_pool1d(tokens.transpose(1, 2), most).transpose(1, 2)


def _space(like: np.ndarray, rows: int, file: Path | None) -> np.ndarray:
    shape = (rows, *like.shape[1:])
    return np.lib.format.open_memmap(file, "w+", like.dtype, shape) if file else np.empty(shape, like.dtype)


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

    (Or ``(batch, token, dim)`` for a sequence.) With a `file` the result is written there as it comes.
    """
    function = _function(method, layer)
    size = BATCH_GPU if on_gpu(device) else max(1, method.cpu_batch_samples // method.signal.samples)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]

    def read(part: np.ndarray) -> torch.Tensor:
        return pinned(torch.from_numpy(data.read(part, method.signal)), device)

    out: np.ndarray | None = None
    done = 0
    for part, result in zip(parts, run_pipelined(function, read_ahead(read, parts, device), device), strict=True):
        found = result.numpy().astype(np.float16 if layer == "short_sequence" else np.float32, copy=False)
        _check(found, part, data, method, 3 if layer in SEQUENCES else 2)
        out = _space(found, len(rows), file) if out is None else out
        out[done : done + len(part)] = found
        done += len(part)
        on_event(Event("step", f"{layer} of {type(method).__name__}", done, len(rows)))
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
    if layer == "short_sequence" and isinstance(method, SequenceMethod):
        sequence = method.ecg_tokens
        return lambda ecg: shortened(sequence(ecg).float(), SHORT)
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
