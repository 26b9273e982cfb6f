"""Fingerprints that find copies of a recording, also at another sampling rate or in another unit.

A fingerprint holds the Fourier coefficients from 1 to 15 Hz of the first ten seconds of four leads, under a Hann window
and scaled to length 1. The cosine of two of them is near 1 when one signal was made from the other by resampling, a
change of gain or a filter outside of that band. Measured on PTB-XL: the 100 Hz and the 500 Hz file of a recording reach
0.997 or more (80 recordings), two different recordings 0.931 at most (237 million pairs). The one exception, at
0.99993, is 11842 and 11843: one recording of one patient stored twice. Copies that were shifted in time or cut
elsewhere are not found.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from filelock import FileLock

from benchmark.api import LEADS
from benchmark.atomic import atomic_path
from benchmark.cache.arrays import ArrayWriter, is_usable, read_array
from benchmark.data.store.prepared import PreparedDataset

SAME = 0.98  # cosine from which two recordings count as the same
SECONDS = 10.0
BINS = slice(10, 150)  # of 0.1 Hz: 1 to 15 Hz
COMPARED_LEADS = ("I", "II", "V2", "V5")
COMPARISON_LEADS = tuple(LEADS.index(lead) for lead in COMPARED_LEADS)
WIDTH = 2 * len(COMPARISON_LEADS) * (BINS.stop - BINS.start)  # real and imaginary parts
CHUNK = 512  # recordings at a time
BLOCK = 4 * CHUNK  # fingerprints of either side compared at a time
AXES = 64  # along which fingerprints are compared before they are compared as a whole
SLACK = 1e-3  # of rounding, in the bound of a cosine


def fingerprint(ecg: np.ndarray, rate: float) -> np.ndarray:
    """Compute fingerprints, ``(n, 12, time)`` -> ``(n, 1120)`` float32 of length 1; 0 for flat recordings."""
    samples = round(SECONDS * rate)
    part = ecg[:, COMPARISON_LEADS, :samples]
    part = part * np.hanning(part.shape[-1]).astype(np.float32)
    spectrum = np.fft.rfft(part, samples, axis=-1)[..., BINS].reshape(len(ecg), -1)
    spectrum = np.concatenate([spectrum.real, spectrum.imag], axis=-1).astype(np.float32)
    norm = np.linalg.norm(spectrum, axis=1, keepdims=True)
    return np.divide(spectrum, norm, out=np.zeros_like(spectrum), where=norm > 0)


def fingerprints(data: PreparedDataset, folder: Path) -> np.ndarray:
    """Return one fingerprint per recording, float16 and memory-mapped; computed once, cached under the digest."""
    path = fingerprints_file(data, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not is_usable(path, len(data)):
            with atomic_path(path) as temporary:
                out = ArrayWriter(temporary, np.dtype(np.float16), (len(data), WIDTH))
                for rows in data.chunks(CHUNK):
                    out[rows] = fingerprint(data.millivolt(rows), data.rate)
                out.finish()
    return np.asarray(read_array(path))


def fingerprints_file(data: PreparedDataset, folder: Path) -> Path:
    """Return the path at which the fingerprints of a prepared dataset are cached."""
    return folder / f"{data.digest}.npy"


def find_copies(queries: np.ndarray, among: np.ndarray, rows: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs (position in `queries`, row of `among`) of equal recordings, the most similar for each of `queries`.

    Both are fingerprints; only `rows` of `among`, which may be memory-mapped and large, are compared. Few pairs need
    more than `AXES` numbers of each: the cosine is at most the product along orthonormal axes plus the product of what
    both have outside of them. The result is that of comparing all of them.
    """
    table = np.ascontiguousarray(queries, np.float32)
    axes = _main_axes(table)
    short = _shortened(table, axes)
    best, where = np.zeros(len(table), np.float32), np.zeros(len(table), np.int64)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        candidates = among[part].astype(np.float32)
        shortened = _shortened(candidates, axes).T
        for first in range(0, len(table), BLOCK):
            near = short[first : first + BLOCK] @ shortened >= SAME - SLACK
            hit = first + np.flatnonzero(near.any(axis=1))
            if not len(hit):
                continue
            columns = np.flatnonzero(near.any(axis=0))
            likeness = table[hit] @ candidates[columns].T
            nearest = likeness.argmax(axis=1)
            similarity = likeness[np.arange(len(hit)), nearest]
            better = similarity > best[hit]
            best[hit[better]], where[hit[better]] = similarity[better], part[columns[nearest[better]]]
    return [(int(position), int(where[position])) for position in np.flatnonzero(best >= SAME)]


def _main_axes(table: np.ndarray) -> np.ndarray:
    """Return orthonormal axes, ``(WIDTH, AXES)``, along which most of the energy of fingerprints lies.

    The first step of Halko et al., "Finding structure with randomness" (SIAM Review 2011, algorithm 4.3).
    """
    start = np.random.default_rng(0).standard_normal((table.shape[1], AXES), np.float32)
    axes: np.ndarray = np.linalg.qr(start + table.T @ (table @ start))[0]
    return axes


def _shortened(table: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return the parts of fingerprints along `axes`, and the length of what is outside: ``(n, AXES + 1)``."""
    along = table @ axes
    outside = np.einsum("ij,ij->i", table, table) - np.einsum("ij,ij->i", along, along)
    return np.column_stack([along, np.sqrt(np.maximum(outside, 0))])
