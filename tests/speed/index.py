"""Index, labels and reports of a large dataset: processor time and memory of what needs no signal, and how both grow.

    python tests/speed/index.py [--sizes 20000 100000 400000 800000] [--folder .] [--rounds 3]

The stores are SYNTHETIC and shaped like MIMIC-IV-ECG (see `made_up_store`); their file of signals is a hole. Every
measurement is a forked process: imports are neither timed nor counted, memory is the peak above what there was before.
"grows as" is the exponent by which seconds follow the number of recordings. Signals are compared as fingerprints, here
of noise, 2,000 of them with all others: the time is proportional to both numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import made_up_store
import numpy as np
import pandas  # noqa: F401 -- loaded before anything is measured
from big_store import Figures, in_child, status
from figures import check_count, show

import benchmark.data.store.shared_recordings as shared
from benchmark.api import SignalSpec
from benchmark.cache.arrays import ArrayWriter
from benchmark.cli import main as ecgarena
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.labels.subsets import draw
from benchmark.data.store.fingerprints import CHUNK, WIDTH, find_copies, fingerprints, fingerprints_file
from benchmark.data.store.preparation import prepared_path
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.pretraining import ReportedRecordings
from benchmark.paths import Home
from benchmark.planning.training_config import TrainingConfig, step_groups

SUITE = """
name = "large"
title = "SYNTHETIC: a large dataset"
version = "1"

[[datasets]]
name = "made_up"
config = {{ recordings = {recordings} }}
label_sets = ["all"]

[[tasks]]
name = "linear_probe"
config = {{ fraction = [0.01, 0.1, 1.0], seed = [0, 1, 2] }}

[[methods]]
name = "random_init"

[[methods]]
name = "merl"
pretrain = {{ dataset = "made_up", batch_size = 256, window = 16384 }}
"""
QUERIES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000, 400_000, 800_000])
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WORK, default=list(WORK))
    options = parser.parse_args()
    results: dict[str, list[list[Figures]]] = {name: [] for name in options.only}
    for recordings in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="index-") as folder:
            make_home(Path(folder), recordings, with_fingerprints=SIGNALS in options.only)
            for name in options.only:
                work = WORK[name]
                rounds = [in_child(lambda: figures_of(work, Path(folder))) for _ in range(options.rounds)]  # noqa: B023
                results[name].append(rounds)
                print(recordings, name, rounds[-1], flush=True)
    for name, by_size in results.items():
        show_row(name, options.sizes, by_size)


def figures_of(work: Callable[[Path], object], folder: Path) -> Figures:
    start, before = time.process_time(), status("VmHWM")
    with contextlib.redirect_stdout(io.StringIO()):
        work(folder)
    return {"seconds": time.process_time() - start, "memory": status("VmHWM") - before}


def show_row(name: str, sizes: list[int], by_size: list[list[Figures]]) -> None:
    """Show one line: seconds and memory at each size, and the exponent of the seconds."""
    seconds, memory = (
        [statistics.median(one[field] for one in rounds) for rounds in by_size] for field in ("seconds", "memory")
    )
    parts = [f"{n:,}: {s:.3g} s, {m:,.0f} MB" for n, s, m in zip(sizes, seconds, memory, strict=True)]
    growth = [f"grows as n^{exponent(sizes, seconds):.2f}"] if len(sizes) > 1 else []
    show(f"index of recordings, {name}", "; ".join([*parts, *growth]))


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the slope of a straight line through the logarithms; NaN for one size."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0]) if len(sizes) > 1 else math.nan


def make_home(folder: Path, recordings: int, with_fingerprints: bool) -> None:
    home = Home(folder / "home")
    store = prepared_path(made_up_store.NAME, {"recordings": recordings}, home)
    data = PreparedDataset(made_up_store.make_store(store, recordings, signals=False))
    check_count("recordings in the index", len(data), recordings)
    (folder / "large.toml").write_text(SUITE.format(recordings=recordings))
    if with_fingerprints:
        write_fingerprints(data, home.fingerprints)


def write_fingerprints(data: PreparedDataset, folder: Path) -> None:
    """Write SYNTHETIC fingerprints, most of whose energy lies along a few axes, as that of real ones does."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    noise = random.standard_normal((CHUNK, WIDTH), np.float32) * np.exp(-np.arange(WIDTH, dtype=np.float32) / 100)
    out = ArrayWriter(fingerprints_file(data, folder), np.dtype(np.float16), (len(data), WIDTH))
    for start in range(0, len(data), CHUNK):
        noise *= np.where(random.random(WIDTH) < 0.5, -1, 1).astype(np.float32)
        part = noise[: len(data) - start]
        out[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    out.finish()


# --- what is measured ------------------------------------------------------------------------------


def store_of(folder: Path) -> PreparedDataset:
    (store,) = (path for path in Home(folder / "home").data.glob("*") if path.is_dir())
    return PreparedDataset(store)


def labelled(folder: Path) -> tuple[PreparedDataset, LabelledRows]:
    data = store_of(folder)
    return data, LabelledRows.of(data, made_up_store.LABEL_SET, None)


def labels_and_reports(folder: Path) -> object:
    data, view = labelled(folder)
    return view.truth(data), [list(data.reports[rows]) for rows in view.rows.values()]


def label_subset(folder: Path) -> object:
    data, view = labelled(folder)
    rows = view.rows["train"]
    return draw(data.record_ids[rows], data.patient_ids[rows], view.labels["train"], view.classes, 0.1, 0)


def corpus(folder: Path) -> object:
    one = ReportedRecordings(store_of(folder), "train", SignalSpec(rate=500.0))
    return one.digest, one.texts


def order(folder: Path) -> object:
    return step_groups(len(store_of(folder)), TrainingConfig(batch_size=256, window=16_384), 0)


def by_patients(folder: Path) -> object:
    data = store_of(folder)
    shared.find_copies = lambda *_: []
    shared.fingerprints = lambda one, _: np.zeros((len(one), 0), np.float16)
    return shared.shared_recordings(data, "test", data, folder / "kept")


def by_signals(folder: Path) -> object:
    among = fingerprints(store_of(folder), Home(folder / "home").fingerprints)
    rest = max(len(among) - QUERIES, len(among) // 2)
    return find_copies(np.asarray(among[rest:]), among, np.arange(rest))


def command(name: str, folder: Path) -> object:
    return ecgarena([name, str(folder / "large.toml"), "--home", str(folder / "home")])


SIGNALS = "contamination check, signals"
WORK: dict[str, Callable[[Path], object]] = {
    "open": store_of,
    "table of recordings": lambda folder: store_of(folder).table,
    "labels and reports": labels_and_reports,
    "label subset": label_subset,
    "corpus of a pre-training": corpus,
    "order of an epoch": order,
    "plan": lambda folder: command("plan", folder),
    "status": lambda folder: command("status", folder),
    "contamination check, patients": by_patients,
    SIGNALS: by_signals,
}


if __name__ == "__main__":
    main()
