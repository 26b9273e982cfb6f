"""Reading a store larger than memory: random batches and the window order, against the disk's sequential rate.

    python tests/speed/big_store.py [--gigabytes 50 | --store STORE] [--folder .] [--window 4096] [--seconds 10]

The store is SYNTHETIC. It is removed at the end, unless `--store` names one that `made_up_store` wrote before; 10 GB of
the disk stay free. Every measurement is a forked process. The sides take turns, since other work on disk and processor
meets all of them. "cold": the system forgot the file before. "steady", for a store larger than memory: it forgot
nothing, its memory is full of the store. A rate counts the bytes that came from the disk, as the system counts them for
the process. That of a window order counts from its second window on, since the first one is waited for. Processor time
includes the system's share of it, in which pages are found and filled; waiting for a processor that others use counts
neither as that nor as waiting for the disk. Memory: RssAnon is the process's own; the system's memory, which it can
take back at any time, is counted apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from made_up_store import BYTES, make_store

from benchmark.api import SignalSpec
from benchmark.data.store.integrity import SIGNALS
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.announcing import announced
from benchmark.engine.pretraining import ReportedRecordings
from benchmark.planning.training_config import TrainingConfig, shuffled_batches
from benchmark.planning.window_order import windows

BATCH, PIECE = 128, 8 << 20
LEAST = 0.25  # share of what was delivered that must have come from the disk
SPEC = SignalSpec(rate=500.0)
SIDES = (
    "plain reads in sequence",
    "random batches, samples alone",
    "window order, samples alone",
    "random batches, verified, as float32 mV",
    "window order, verified, as float32 mV",
)
STATES = ("cold", "steady")
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--store", type=Path, help="one that lies there, in place of a new one")
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--window", type=int, default=4096)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.store is not None:
        compare(options.store, options)
        return
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="big-store-") as folder:
        compare(make_store(Path(folder) / "store", round(options.gigabytes * 1e9 / BYTES)), options)


def compare(store: Path, options: argparse.Namespace) -> None:
    size, memory = (store / SIGNALS).stat().st_size, meminfo("MemTotal")
    print(f"SYNTHETIC, {size / 1e9:.1f} GB of signals, {size / memory:.2f} times the memory of {memory / 1e9:.1f} GB")
    print(f"opened in a fresh process: {in_child(lambda: opening(store))}", flush=True)
    data = PreparedDataset(store)
    kinds = {"alone": Samples, "float32": ReportedRecordings}
    corpora = {name: kind(data, "train", SPEC) for name, kind in kinds.items()}
    states = STATES if size > memory else STATES[:1]  # a store that fits is read from memory then
    results: dict[tuple[str, str], list[Figures]] = {(side, state): [] for state in states for side in SIDES}
    for number in range(options.rounds):
        for state in states:
            for side in SIDES:
                if state == "cold":
                    forget(store / SIGNALS)
                seed = len(results) * number + list(results).index((side, state))  # no side finds what another read
                work = side_of(side, corpora, options, seed)
                results[side, state].append(in_child(lambda work=work: figures_of(work)))
                print(
                    json.dumps({"round": number, "state": state, "side": side, **results[side, state][-1]}), flush=True
                )
    for (side, state), rounds in results.items():
        print(row(side, state, rounds, results[SIDES[0], state]))


def row(side: str, state: str, rounds: list[Figures], sequential: list[Figures]) -> str:
    """One line: MB/s of each round, the share of the sequential rate in the same round, processor time and memory."""
    rates = ", ".join(f"{one['rate']:,.0f}" for one in rounds)
    shares = [one["rate"] / disk["rate"] for one, disk in zip(rounds, sequential, strict=True)]
    peak, anonymous, cache = (max(one[name] for one in rounds) for name in ("peak", "anonymous", "cache"))
    cost, blocked, share = (statistics.median(one[name] for one in rounds) for name in ("cost", "blocked", "processor"))
    return (
        f"{side} | {state} | {rates} MB/s | {statistics.median(shares):.0%} of sequential ({min(shares):.0%} to "
        f"{max(shares):.0%}) | per GB {cost:.2f} s of processor time and {blocked:.2f} s of waiting for the disk, "
        f"{share:.1%} of a core | "
        f"peak {peak:,.0f} MB, RssAnon grew by {anonymous:,.0f} MB, page cache by {cache:,.0f} MB"
    )


def in_child(work: Callable[[], Figures]) -> Figures:
    """Return what `work` returns in a forked process; imports and tables are shared with this one."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=lambda: send.send(work()))
    child.start()
    send.close()
    try:
        result: Figures = receive.recv()
    except EOFError:
        raise SystemExit("a measurement failed; its error stands above") from None
    child.join()
    return result


def opening(store: Path) -> Figures:
    """Open the store, and read what a training needs before its first batch, and that batch."""
    start, before = time.process_time(), status("RssAnon")
    data = PreparedDataset(store)
    opening_seconds = time.process_time() - start
    ReportedRecordings(data, "train", SPEC).batch(np.arange(BATCH))
    ready = time.process_time() - start
    return {
        "opened_s": opening_seconds,
        "ready_s": ready,
        "anonymous": status("RssAnon") - before,
        "peak": status("VmHWM"),
    }


def figures_of(batches: Iterator[int]) -> Figures:
    """Return rate, processor time per GB and memory; `batches` yields 0 until the measurement begins."""
    recordings, cache, memory = 0, meminfo("Cached"), []
    for delivered in batches:
        if not delivered:
            start, processor, disk, queue_seconds = time.perf_counter(), time.process_time(), bytes_read(), queueing()
        recordings += delivered
        memory.append(status("RssAnon"))
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    amount = bytes_read() - disk
    if amount < LEAST * recordings * BYTES:
        raise SystemExit(f"{amount:,} of {recordings * BYTES:,.0f} bytes came from the disk: its rate is not known")
    settled = memory[len(memory) // 4 :]
    return {
        "rate": amount / seconds / 1e6,
        "delivered": recordings * BYTES / seconds / 1e6,
        "cost": processor / amount * 1e9,
        "processor": processor / seconds,
        "blocked": max(seconds - processor - (queueing() - queue_seconds), 0) / amount * 1e9,
        "seconds": seconds,
        "peak": status("VmHWM"),
        "anonymous": settled[-1] - settled[0],
        "cache": (meminfo("Cached") - cache) / 1e6,
    }


def side_of(side: str, corpora: dict[str, object], options: argparse.Namespace, seed: int) -> Iterator[int]:
    if side == SIDES[0]:
        return sequential(corpora["alone"].data.path / SIGNALS, options.seconds, seed)
    windowed = {"window": options.window, "chunk": options.chunk} if side.startswith("window") else {}
    corpus = next(corpora[name] for name in corpora if name in side)
    return epoch(corpus, TrainingConfig(batch_size=BATCH, seed=seed, **windowed), options.seconds)


def sequential(path: Path, seconds: float, seed: int) -> Iterator[int]:
    """Plain reads of 8 MB one after the other, from a place that `seed` draws; yields the recordings of each."""
    buffer = memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        pieces = path.stat().st_size // PIECE
        file.seek(int(np.random.default_rng(seed).integers(pieces // 2)) * PIECE)
        yield 0
        start = time.perf_counter()
        while time.perf_counter() < start + seconds and file.readinto(buffer) == PIECE:
            yield PIECE / BYTES


def epoch(corpus: ReportedRecordings, config: TrainingConfig, seconds: float) -> Iterator[int]:
    """Read batches of an epoch for some seconds, yielding their sizes; those of the first window count as 0."""
    batches = shuffled_batches(len(corpus), config, 0)
    first = 0
    if config.window:
        window = windows(len(corpus), config.window, config.chunk, config.seed, 0)[0]
        first = min(-(-sum(map(len, window)) // BATCH), len(batches) // 2)
    visits, start = np.zeros(len(corpus), bool), time.perf_counter()
    for number, positions in enumerate(announced(batches, corpus, config, 0, 0)):
        if number == first:
            start = time.perf_counter()
            yield 0
        batch = corpus.batch(positions)
        assert len(getattr(batch, "ecg", batch)) == len(positions) and not visits[positions].any()
        visits[positions] = True
        if number >= first:
            yield len(positions)
            if time.perf_counter() > start + seconds:
                return


class Samples(ReportedRecordings):
    """The int16 samples alone, neither verified nor converted: what the disk and the system's memory give."""

    def batch(self, positions: np.ndarray) -> np.ndarray:
        return self.data._samples.read(self.data._offsets[self.rows[positions]], BYTES // 2)


def forget(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def bytes_read() -> int:
    """Bytes that this process had read from a disk, also by what it announced."""
    return int(re.search(r"read_bytes: (\d+)", Path("/proc/self/io").read_text())[1])


def queueing() -> float:
    """Seconds in which this process could have run and waited for a processor."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def status(name: str) -> float:
    """A field of this process's status in MB: VmHWM is its peak; ru_maxrss would begin with what the parent had."""
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def meminfo(name: str) -> int:
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) * 1024


if __name__ == "__main__":
    main()
