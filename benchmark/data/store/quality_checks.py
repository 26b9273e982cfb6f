"""Screening of recordings: which ones enter the store, which are left out and why, and which are odd.

Each chunk of recordings is read independently, by this process or by workers; results come back in order.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmark.api import LEADS, Dataset, RawSignal, RecordingEntry
from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE
from benchmark.data.labels.demographics import known_age
from benchmark.data.reports.report_texts import real_report
from benchmark.data.signals.few_leads import in_store_order
from benchmark.data.signals.signal import einthoven_residual, shared_gain, to_millivolt
from benchmark.data.store.integrity import checksum
from benchmark.data.store.preparation_log import PreparationLog
from benchmark.errors import DataError, RecordingError

EINTHOVEN_TOLERANCE = 0.05  # mV; rounding of three leads stays far below, a swapped lead far above
AHEAD = 2  # chunks per worker read ahead of the writer


@dataclass
class Screened:
    """The usable recordings of a chunk, in order, and the findings."""

    signals: list[bytes] = field(default_factory=list)  # per recording (12, time) int16
    checksums: list[bytes] = field(default_factory=list)  # per recording one uint32
    calibration: list[bytes] = field(default_factory=list)  # per recording (12, 2) float64
    samples: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)  # positions in the chunk
    missing: int = 0
    findings: PreparationLog = field(default_factory=PreparationLog)


def read_chunks(
    dataset: Dataset, root: Path | None, chunks: Iterable[list[RecordingEntry]], workers: int = 1
) -> Iterator[tuple[list[RecordingEntry], Screened]]:
    """Screen every chunk, in order; `workers` processes stay at most a few chunks ahead, which bounds memory."""
    if workers == 1:
        for chunk in chunks:
            yield chunk, screen(dataset, root, chunk)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy whatever state threads and libraries hold
    pool = ProcessPoolExecutor(workers, context, _start, (dataset, root))
    waiting: deque[tuple[list[RecordingEntry], Future[Screened]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_screen_here, chunk)))
            if len(waiting) > AHEAD * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    except BrokenProcessPool:
        problem = f"a process that read recordings died; start again with fewer than {workers} workers"
        raise DataError(f"{problem}: the preparation goes on where it stopped") from None
    finally:
        pool.shutdown(cancel_futures=True)


def screen(dataset: Dataset, root: Path | None, chunk: list[RecordingEntry]) -> Screened:
    """Read a chunk of recordings; unusable ones are named in the findings."""
    screened_chunk = Screened()
    for position, entry in enumerate(chunk):
        try:
            if entry.problem:
                raise RecordingError(entry.record_id, entry.problem)
            raw = _check_and_reorder(dataset.read(entry, root), dataset, entry)
        except RecordingError as error:
            problem = entry.problem or str(error)
            screened_chunk.findings.left_out.append({"record_id": entry.record_id, "problem": problem})
            continue
        screened_chunk.missing += _notice(entry, raw, screened_chunk.findings, dataset.leads)
        screened_chunk.signals.append(raw.adc.astype("<i2", copy=False).tobytes())
        screened_chunk.checksums.append(np.array(checksum(screened_chunk.signals[-1]), "<u4").tobytes())
        screened_chunk.calibration.append(np.stack([raw.gain, raw.baseline], axis=-1).astype("<f8").tobytes())
        screened_chunk.samples.append(raw.adc.shape[1])
        screened_chunk.positions.append(position)
    return screened_chunk


_worker_dataset: list[tuple[Dataset, Path | None]] = []  # in a worker process: the dataset that it reads


def _start(dataset: Dataset, root: Path | None) -> None:
    _worker_dataset[:] = [(dataset, root)]


def _screen_here(chunk: list[RecordingEntry]) -> Screened:
    return screen(*_worker_dataset[0], chunk)


def _check_and_reorder(raw: RawSignal, dataset: Dataset, entry: RecordingEntry) -> RawSignal:
    """Reorder the leads as in LEADS; raise `RecordingError` for recordings that no method can use."""
    file = entry.locator or entry.record_id
    try:
        recording = in_store_order(raw, dataset.leads)
    except ValueError as error:
        raise RecordingError(file, str(error), "this recording cannot serve") from None
    if raw.rate != dataset.rate:
        raise RecordingError(file, f"recorded at {raw.rate:g} Hz, {dataset.rate:g} Hz expected", "check the header")
    adc = recording.adc
    if np.all(adc[:, 0] == adc[:, -1]) and np.all(adc == adc[:, :1]):  # the second costs as much as the reading
        raise RecordingError(file, "all leads are flat", "this recording cannot serve")
    return recording


def _notice(entry: RecordingEntry, raw: RawSignal, findings: PreparationLog, leads: Sequence[str] = LEADS) -> int:
    """Note flat leads, missing samples, broken lead identities and odd entries; return the missing samples' number.

    Of `leads` alone: the dataset has no other ones.
    """
    low, high = raw.adc.min(axis=1), raw.adc.max(axis=1)
    present, whole_limb = np.isin(LEADS, leads), set(LEADS[:6]) <= set(leads)
    missing = int(np.count_nonzero(raw.adc == MISSING_SAMPLE)) if low.min() == MISSING_SAMPLE else 0
    residual = (
        0.0 if missing or not whole_limb else round(float(einthoven_residual(_limb_leads(raw)[None])[0]), 4)
    )  # float32 rounds
    notice = {
        "a flat lead": ", ".join(np.array(LEADS)[present & (low == high) & (low != MISSING_SAMPLE)]),
        "a lead without any sample, read as 0 mV": ", ".join(np.array(LEADS)[high == MISSING_SAMPLE]),
        "missing samples, read as 0 mV": str(missing or ""),
        f"limb leads break Einthoven's law by over {EINTHOVEN_TOLERANCE} mV": (
            f"{residual:.3f} mV" if residual > EINTHOVEN_TOLERANCE else ""
        ),
        "an age that nobody has, read as unknown": (
            f"{entry.age:g}" if entry.age is not None and known_age(entry.age) is None else ""
        ),
        "a report that only says there is none": entry.report if real_report(entry.report) != entry.report else "",
    }
    findings.remarks += [
        {"record_id": entry.record_id, "kind": kind, "detail": detail} for kind, detail in notice.items() if detail
    ]
    return missing


def _limb_leads(raw: RawSignal) -> np.ndarray:
    """Convert the first six leads to millivolt; they must have no missing samples."""
    gain, baseline = raw.gain[:6], raw.baseline[:6]
    one = shared_gain(gain, baseline)
    return to_millivolt(raw.adc[:6], gain if one is None else one, baseline, missing=False)
