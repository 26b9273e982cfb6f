"""Reading a store larger than memory: random batches and the window order, against the disk's sequential rate.

    python tests/speed/big_store.py [--gigabytes 1] [--folder .] [--window 16384] [--chunk 64] [--seconds 15]

The store is SYNTHETIC and removed at the end; 15 GB of the disk stay free. Every measurement is a process of its own,
whose peak memory is printed; memory of the system, which it can take back, is not counted. "cold": the system forgot the file before; "warm": it was read just before (its first
gigabyte, which fits into memory). A rate counts the bytes of the recordings that were returned, of the train split.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from made_up_store import BYTES, make_store

from benchmark.api import SignalSpec
from benchmark.data.store.integrity import SIGNALS
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.signal_file import SignalFile
from benchmark.engine.announcing import announced
from benchmark.engine.pretraining import ReportedRecordings
from benchmark.planning.training_config import TrainingConfig, shuffled_batches

BATCH, PIECE = 128, 8 << 20
WORK = ("open", "sequential", "random", "window", "random batches", "window batches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--window", type=int, default=16_384)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=15.0, help="at most, of each measurement but whole epochs")
    parser.add_argument("--work", choices=WORK, help="one measurement, in this process")
    parser.add_argument("--store", type=Path, help="of --work")
    options = parser.parse_args()
    if options.work:
        measure(options)
        return
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="big-store-") as folder:
        recordings = round(options.gigabytes * 1e9 / BYTES)
        store = make_store(Path(folder), recordings)
        print(f"a SYNTHETIC store of {recordings:,} recordings, {recordings * BYTES / 1e9:.1f} GB", flush=True)
        for work in WORK:
            command = [sys.executable, *sys.argv, "--work", work, "--store", str(store)]
            subprocess.run(command, check=True)


def measure(options: argparse.Namespace) -> None:
    path = options.store / SIGNALS
    for warm in (False, True) if options.work != "open" else (False,):
        read = WORKS[options.work.split()[0]]
        limit = 1e9 if warm else float("inf")
        if warm:
            read(options, limit)
        else:
            forget(path)
        start = time.perf_counter()
        amount = read(options, limit)
        seconds = time.perf_counter() - start
        what = f"{options.work}, {'warm' if warm else 'cold'}"
        rate = f"{amount / seconds / 1e6:,.0f} MB/s of {amount / 1e9:.1f} GB" if amount else f"{1e3 * seconds:.1f} ms"
        print(f"{what}: {rate}, peak memory {peak():,.0f} MB", flush=True)


def opened(options: argparse.Namespace, limit: float) -> int:
    PreparedDataset(options.store)
    return 0


def sequential(options: argparse.Namespace, limit: float) -> int:
    """Plain reads of the file from its start on."""
    total, end = 0, time.perf_counter() + options.seconds
    with (options.store / SIGNALS).open("rb", buffering=0) as file:
        while total < limit and time.perf_counter() < end and (piece := file.read(PIECE)):
            total += len(piece)
    return total


def random(options: argparse.Namespace, limit: float) -> int:
    return epoch(options, limit, TrainingConfig(batch_size=BATCH))


def window(options: argparse.Namespace, limit: float) -> int:
    return epoch(options, limit, TrainingConfig(batch_size=BATCH, window=options.window, chunk=options.chunk))


def epoch(options: argparse.Namespace, limit: float, config: TrainingConfig) -> int:
    """Read batches of an epoch; the window order to its end, since what it has read ahead must not be left out."""
    data = PreparedDataset(options.store)
    corpus = Samples(data) if options.work in ("random", "window") else ReportedRecordings(data, "train", SPEC)
    limit = min(limit / BYTES, len(corpus))
    if limit < len(corpus):
        corpus.rows, corpus.reports = corpus.rows[: int(limit)], corpus.reports[: int(limit)]
    batches = shuffled_batches(len(corpus), config, 0)
    end = time.perf_counter() + (options.seconds if not config.window else 10 * options.seconds)
    seen = np.zeros(len(corpus), bool)
    for positions in announced(batches, corpus, config, 0, 0):
        batch = corpus.batch(positions)
        assert len(getattr(batch, "ecg", batch)) == len(positions) and not seen[positions].any()
        seen[positions] = True
        if time.perf_counter() > end:
            break
    return int(seen.sum()) * BYTES


SPEC = SignalSpec(rate=500.0)


class Samples(ReportedRecordings):
    """The int16 samples alone, neither verified nor converted: what the disk and the system's memory give."""

    def __init__(self, data: PreparedDataset) -> None:
        super().__init__(data, "train", SPEC)
        self.file, self.starts = SignalFile(data.path), data.table["offset"].to_numpy()

    def batch(self, positions: np.ndarray) -> np.ndarray:
        return self.file.read(self.starts[self.rows[positions]], BYTES // 2)


def forget(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def peak() -> float:
    """Peak memory of this process in MB; not ru_maxrss, which begins with what the parent had."""
    return int(re.search(r"VmHWM:[^0-9]+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024


WORKS = {"open": opened, "sequential": sequential, "random": random, "window": window}

if __name__ == "__main__":
    main()
