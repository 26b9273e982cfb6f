"""Reading a store larger than memory: random batches and the window order, against the disk's sequential rate.

    python tests/speed/big_store.py [--gigabytes 1] [--folder .] [--window 16384] [--chunk 64] [--seconds 15]

The store is SYNTHETIC and removed at the end; 15 GB of the disk stay free. Every measurement is a process of its own,
whose peak memory is printed; memory of the system, which it can take back, is not counted. "cold": the system forgot
the file before. "warm": its first gigabyte, read just before. A rate counts the bytes of the recordings that were
returned, of the train split; that of a window order counts from its second window
on, since the first one is waited for.
"""

from __future__ import annotations

import argparse
import json
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
from benchmark.planning.window_order import windows

BATCH, PIECE = 128, 8 << 20
WORK = ("open", "sequential", "random", "window", "random batches", "window batches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--window", type=int, default=16_384)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=15.0, help="at most, of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", choices=WORK, help="one measurement, in this process")
    parser.add_argument("--store", type=Path, help="of --work")
    options = parser.parse_args()
    if options.work:
        measure(options)
        return
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="big-store-") as folder:
        recordings = round(options.gigabytes * 1e9 / BYTES)
        start = time.perf_counter()
        store = make_store(Path(folder), recordings)
        seconds = time.perf_counter() - start
        size = f"{recordings * BYTES / 1e9:.1f} GB, written in {seconds:.0f} s"
        print(f"a SYNTHETIC store of {recordings:,} recordings, {size}", flush=True)
        subprocess.run([sys.executable, *sys.argv, "--work", "open", "--store", str(store)], check=True)
        rates: dict[str, list[dict[str, float]]] = {work: [] for work in WORK[1:]}
        for work in [*rates] * options.rounds:  # in turns: other work on the machine meets all of them
            command = [sys.executable, *sys.argv, "--work", work, "--store", str(store)]
            rates[work].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        for work, rounds in rates.items():
            print(row(work, rounds, rates["sequential"]))


def row(work: str, rounds: list[dict[str, float]], sequential: list[dict[str, float]]) -> str:
    """One line: rates in MB/s, cold and warm, share of the disk's sequential rate in each round, and peak memory."""
    cold, warm = (", ".join(f"{one[name]:,.0f}" for one in rounds) for name in ("cold", "warm"))
    shares = ", ".join(f"{one['cold'] / disk['cold']:.0%}" for one, disk in zip(rounds, sequential, strict=True))
    return (
        f"{work}: cold {cold} MB/s ({shares} of sequential), warm {warm}, peak {max(o['peak'] for o in rounds):,.0f} MB"
    )


def measure(options: argparse.Namespace) -> None:
    path = options.store / SIGNALS
    if options.work == "open":
        start = time.perf_counter()
        PreparedDataset(options.store)
        print(f"open: {1e3 * (time.perf_counter() - start):.1f} ms, peak memory {peak():,.0f} MB", flush=True)
        return
    read, result = sequential if options.work == "sequential" else epoch, {}
    for temperature, limit in (("cold", float("inf")), ("warm", 1e9)):
        if temperature == "warm":
            read(options, limit)
        else:
            forget(path)
        amount, seconds = read(options, limit)
        result[temperature] = amount / seconds / 1e6
    print(json.dumps({**result, "peak": peak()}))


def sequential(options: argparse.Namespace, limit: float) -> tuple[int, float]:
    """Plain reads of the file from its start on: bytes and seconds."""
    total, start = 0, time.perf_counter()
    with (options.store / SIGNALS).open("rb", buffering=0) as file:
        while total < limit and time.perf_counter() < start + options.seconds and (piece := file.read(PIECE)):
            total += len(piece)
    return total, time.perf_counter() - start


def epoch(options: argparse.Namespace, limit: float) -> tuple[int, float]:
    """Read batches of an epoch: bytes and seconds."""
    order, *converted = options.work.split()
    windowed = {"window": options.window, "chunk": options.chunk} if order == "window" else {}
    config = TrainingConfig(batch_size=BATCH, **windowed)
    data = PreparedDataset(options.store)
    corpus = ReportedRecordings(data, "train", SPEC) if converted else Samples(data)
    if limit / BYTES < len(corpus):
        corpus.rows, corpus.reports = corpus.rows[: int(limit / BYTES)], corpus.reports[: int(limit / BYTES)]
    batches = shuffled_batches(len(corpus), config, 0)
    first = -(-sum(map(len, windows(len(corpus), *windowed.values(), 0, 0)[0])) // BATCH) if windowed else 0
    if first >= len(batches):  # one window is all there is
        first = 0
    visits = np.zeros(len(corpus), bool)
    start, bytes_before = time.perf_counter(), 0
    for number, positions in enumerate(announced(batches, corpus, config, 0, 0)):
        if number == first:
            start, bytes_before = time.perf_counter(), int(visits.sum()) * BYTES
        batch = corpus.batch(positions)
        assert len(getattr(batch, "ecg", batch)) == len(positions) and not visits[positions].any()
        visits[positions] = True
        if number >= first and time.perf_counter() > start + options.seconds:
            break
    return int(visits.sum()) * BYTES - bytes_before, time.perf_counter() - start


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


if __name__ == "__main__":
    main()
