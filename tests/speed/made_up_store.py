"""A SYNTHETIC store of any size, written at the speed of the disk: a few recordings of noise, over and over."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from benchmark.api import LEADS
from benchmark.data.store import integrity, prepared
from benchmark.data.store.store_writer import RECORD_COLUMNS

RATE, SAMPLES, PER_PATIENT, DIFFERENT, CLASSES = 500.0, 5000, 5, 500, 20
FREE_BYTES = 15_000_000_000  # that the disk keeps
BYTES = 2 * len(LEADS) * SAMPLES  # of a recording


def make_store(folder: Path, recordings: int, reports: int = 1000, signals: bool = True) -> Path:
    """Write a store of `recordings`, five of each patient side by side, tenths of them in val and test.

    Without `signals` their file is empty beyond its length. The reports are drawn from `reports` different ones.
    """
    free = shutil.disk_usage(folder).free
    if signals and free - recordings * BYTES < FREE_BYTES:
        raise SystemExit(f"{folder} has {free / 1e9:.0f} GB free, of which {FREE_BYTES / 1e9:.0f} GB stay free")
    draw = np.random.default_rng(0)
    store = folder / "store"
    store.mkdir()
    base = draw.integers(-2000, 2000, (min(DIFFERENT, recordings), len(LEADS), SAMPLES), "<i2")
    with (store / integrity.SIGNALS).open("wb") as file:
        for start in range(0, recordings if signals else 0, len(base)):
            file.write(base[: min(len(base), recordings - start)].tobytes())
        file.truncate(recordings * BYTES)
    sums = np.array([integrity.checksum(one.tobytes()) for one in base], "<u4")
    np.save(store / integrity.CHECKSUMS, np.resize(sums, recordings))
    np.save(store / prepared.CALIBRATION, np.broadcast_to([1000.0, 0.0], (recordings, len(LEADS), 2)))
    labels = draw.random((recordings, CLASSES)) < 0.05
    np.savez(store / prepared.LABELS, **{"made_up/all": labels.astype(np.uint8)})
    (store / prepared.REPORT).write_text('{"left_out": [], "noticed": []}')
    splits = _write_tables(store, recordings, reports, draw)
    (store / integrity.MANIFEST).write_text(json.dumps(integrity.seal(_manifest(store, recordings, splits))))
    return store


def _write_tables(store: Path, recordings: int, reports: int, draw: np.random.Generator) -> dict[str, int]:
    texts = [" ".join(f"word{word}" for word in draw.integers(0, 500, 12)) for _ in range(reports)]
    which = draw.integers(0, reports, recordings)
    by_patient = draw.choice(["train", "val", "test"], -(-recordings // PER_PATIENT), p=[0.8, 0.1, 0.1])
    splits = np.repeat(by_patient, PER_PATIENT)[:recordings]
    with (store / prepared.RECORDS).open("w") as file:
        file.write(",".join(RECORD_COLUMNS) + "\n")
        for row in range(recordings):
            start = row * BYTES // 2
            patient, report = row // PER_PATIENT, texts[which[row]]
            file.write(f"made-up-{row},{patient},{splits[row]},{60.0},female,{report},{start},{SAMPLES}\n")
    with (store / prepared.METADATA).open("w") as file:
        file.write(",".join(prepared.METADATA_COLUMNS) + "\n")
        file.writelines(f"made-up-{row},,en\n" for row in range(recordings))
    return {split: int((splits == split).sum()) for split in ("train", "val", "test")}


def _manifest(store: Path, recordings: int, splits: dict[str, int]) -> dict[str, object]:
    parts = integrity.measure_parts(store, (integrity.CHECKSUMS, *prepared.PARTS))
    # of the signals nobody asks for the digest here: each recording has a checksum of its own
    parts[integrity.SIGNALS] = {"bytes": recordings * BYTES, "sha256": "0" * 64}
    return {
        "format": prepared.FORMAT,
        "dataset": "made_up",
        "version": 1,
        "config": {},
        "rate": RATE,
        "synthetic": True,
        "recordings": recordings,
        "missing_samples": 0,
        "splits": splits,
        "label_sets": {"made_up/all": [f"class{number}" for number in range(CLASSES)]},
        "digest": hashlib.sha256(f"made up {recordings}".encode()).hexdigest()[:16],
        integrity.PARTS: parts,
    }
