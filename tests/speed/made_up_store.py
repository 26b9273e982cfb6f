"""A SYNTHETIC store of any size, shaped like MIMIC-IV-ECG and written at the speed of the disk.

Signals are noise: a block of recordings over and over, a step higher each time, so that no two of them are equal.
Reports are up to six lines of a machine's vocabulary, some of them frequent and most of them rare.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.api import LEADS, Dataset, DatasetCard, RawSignal, RecordingEntry
from benchmark.data.store import integrity, prepared
from benchmark.data.store.store_writer import RECORD_COLUMNS
from benchmark.registry import DATASETS

RATE, SAMPLES, PER_PATIENT, DIFFERENT, CLASSES = 500.0, 5000, 5, 500, 44
SPLITS = {"train": 0.96, "val": 0.02, "test": 0.02}  # as the loader of MIMIC-IV-ECG divides its patients
LINES, MOST_LINES = 400, 6  # of reports
FREE_BYTES = 10_000_000_000  # that the disk keeps
BYTES = 2 * len(LEADS) * SAMPLES  # of a recording
NAME, LABEL_SET, LABELS = "made_up", "all", tuple(f"class{number}" for number in range(CLASSES))


@DATASETS.register(NAME)
class MadeUp(Dataset):
    """The dataset that a made-up store belongs to; suites can name it where this module was imported."""

    card = DatasetCard("SYNTHETIC: made up to measure speed", "none", "none", synthetic=True)
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {
        LABEL_SET: tuple(f"class{number}" for number in range(CLASSES))
    }
    rate = RATE
    needs_root = False

    def __init__(self, recordings: int = 0) -> None:
        self.recordings = recordings

    def entries(self, root: Path | None) -> Iterator[RecordingEntry]:
        raise NotImplementedError("made_up_store.make_store writes it")

    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        raise NotImplementedError("made_up_store.make_store writes it")


def make_store(store: Path, recordings: int, signals: bool = True) -> Path:
    """Write a store of `recordings`, five of each patient side by side, into the new folder `store`.

    Without `signals` their file is empty beyond its length, and no checksum fits.
    """
    store.mkdir(parents=True)
    free = shutil.disk_usage(store).free
    if signals and free - recordings * BYTES < FREE_BYTES:
        raise SystemExit(f"{store} has {free / 1e9:.0f} GB free, of which {FREE_BYTES / 1e9:.0f} GB stay free")
    draw = np.random.default_rng(0)
    sums = np.zeros(recordings, "<u4")
    with (store / integrity.SIGNALS).open("wb", buffering=0) as file:
        if signals:
            _write_signals(file, sums, draw)
        file.truncate(recordings * BYTES)
    np.save(store / integrity.CHECKSUMS, sums)
    np.save(store / prepared.CALIBRATION, np.broadcast_to([1000.0, 0.0], (recordings, len(LEADS), 2)))
    np.savez(store / prepared.LABELS, **{LABEL_SET: draw.random((recordings, CLASSES), np.float32) < 0.05})
    (store / prepared.REPORT).write_text('{"left_out": [], "noticed": []}')
    splits = _write_tables(store, recordings, draw)
    (store / integrity.MANIFEST).write_text(json.dumps(integrity.seal(_manifest(store, recordings, splits))))
    return store


def _write_signals(file, sums: np.ndarray, draw: np.random.Generator) -> None:
    block = draw.integers(-2000, 2000, (min(DIFFERENT, len(sums)), len(LEADS), SAMPLES), "<i2")
    for start in range(0, len(sums), len(block)):
        block += 1
        for row, recording in enumerate(block[: len(sums) - start], start):
            sums[row] = integrity.checksum(recording.data)
        data = block[: len(sums) - start].data.cast("B")
        while data:
            data = data[file.write(data) :]


def reports(recordings: int, draw: np.random.Generator) -> np.ndarray:
    """Return a text for each recording: one to six of 400 lines, whose frequencies fall as 1 / rank^2."""
    lines = [" ".join(f"word{word}" for word in draw.integers(0, 500, 3)) for _ in range(LINES)]
    frequency = 1 / np.arange(1, LINES + 1) ** 2
    which = draw.choice(LINES, (recordings, MOST_LINES), p=frequency / frequency.sum())
    counts = draw.integers(1, MOST_LINES + 1, recordings)
    texts = (". ".join(lines[line] for line in row[:count]) for row, count in zip(which, counts, strict=True))
    return np.fromiter(texts, object, recordings)


def _write_tables(store: Path, recordings: int, draw: np.random.Generator) -> dict[str, int]:
    import pandas as pd

    rows = np.arange(recordings)
    names = (rows + 40_000_000).astype(str)
    by_patient = draw.choice(list(SPLITS), -(-recordings // PER_PATIENT), p=list(SPLITS.values()))
    splits = np.repeat(by_patient, PER_PATIENT)[:recordings]
    ages, starts = draw.integers(18, 90, recordings).astype(float), rows * (BYTES // 2)
    columns = (names, rows // PER_PATIENT + 10_000_000, splits, ages, "female", reports(recordings, draw), starts)
    table = pd.DataFrame(dict(zip(RECORD_COLUMNS, (*columns, SAMPLES), strict=True)))
    table.to_csv(store / prepared.RECORDS, index=False, lineterminator="\n")
    carts = np.char.add("cart ", (rows % 150).astype(str))
    metadata = pd.DataFrame(dict(zip(prepared.METADATA_COLUMNS, (names, carts, "en"), strict=True)))
    metadata.to_csv(store / prepared.METADATA, index=False, lineterminator="\n")
    return {split: int((splits == split).sum()) for split in SPLITS}


def _manifest(store: Path, recordings: int, splits: dict[str, int]) -> dict[str, object]:
    parts = integrity.measure_parts(store, (integrity.CHECKSUMS, *prepared.PARTS))
    # of the signals nobody asks for the digest here: each recording has a checksum of its own
    parts[integrity.SIGNALS] = {"bytes": recordings * BYTES, "sha256": "0" * 64}
    return {
        "format": prepared.FORMAT,
        "dataset": NAME,
        "version": MadeUp.card.version,
        "config": {"recordings": recordings},
        "rate": RATE,
        "synthetic": True,
        "recordings": recordings,
        "missing_samples": 0,
        "splits": splits,
        "label_sets": {LABEL_SET: list(LABELS)},
        "signal_bytes": recordings * BYTES,
        "digest": hashlib.sha256(f"made up {recordings}".encode()).hexdigest()[:16],
        integrity.PARTS: parts,
    }
