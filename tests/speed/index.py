"""Index, labels and reports of a large dataset: seconds and peak memory of what needs no signal, and how they grow.

    python tests/speed/index.py [--sizes 20000 100000 400000 800000] [--folder .] [--rounds 3]

The stores are SYNTHETIC and shaped like MIMIC-IV-ECG (see `made_up_store`); their file of signals is a hole. Every
measurement is a process of its own, whose imports and start are not timed. "grows as" is the exponent by which the
median seconds (and the memory above the smallest store's) follow the number of recordings. The comparison of signals
is measured on 256 test recordings and fingerprints of noise; what it costs is proportional to both numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import made_up_store
import numpy as np
from big_store import status

from benchmark.api import SignalSpec
from benchmark.cache.arrays import ArrayWriter
from benchmark.data.store.preparation import prepared_path
from benchmark.data.store.prepared import PreparedDataset
from benchmark.paths import Home

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
QUERIES = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000, 400_000, 800_000])
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--work", choices=WORK, help="one measurement, in this process")
    parser.add_argument("--home", type=Path, help="of --work")
    options = parser.parse_args()
    if options.work:
        measure(WORK[options.work], options.home)
        return
    results: dict[str, list[list[dict[str, float]]]] = {name: [] for name in options.only}
    for recordings in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="index-") as folder:
            home = made_up_home(Path(folder), recordings, with_fingerprints="leak, by signals" in options.only)
            for name in options.only:
                results[name].append([one_process(name, home) for _ in range(options.rounds)])
    for name, by_size in results.items():
        print(row(name, options.sizes, by_size), flush=True)


def one_process(name: str, home: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--work", name, "--home", str(home)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(work: Callable[[Path], object], home: Path) -> None:
    start, before = time.process_time(), status("VmHWM")
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink):
        work(home)
    print(json.dumps({"seconds": time.process_time() - start, "peak": status("VmHWM"), "before": before}))


def row(name: str, sizes: list[int], by_size: list[list[dict[str, float]]]) -> str:
    """One line: processor time and peak memory at each size, and the exponents."""
    seconds = [statistics.median(one["seconds"] for one in rounds) for rounds in by_size]
    memory = [statistics.median(one["peak"] for one in rounds) for rounds in by_size]
    cells = ", ".join(f"{s:.3g} s {m:,.0f} MB" for s, m in zip(seconds, memory, strict=True))
    return f"{name}: {cells}; grows as n^{exponent(sizes, seconds):.2f}"


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the slope of a straight line through the logarithms; NaN for one size."""
    if len(sizes) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-6)), 1)[0])


def made_up_home(folder: Path, recordings: int, with_fingerprints: bool) -> Path:
    home = Home(folder / "home")
    store = prepared_path(made_up_store.NAME, {"recordings": recordings}, home)
    data = PreparedDataset(made_up_store.make_store(store, recordings, signals=False))
    (folder / "large.toml").write_text(SUITE.format(recordings=recordings))
    if with_fingerprints:
        write_fingerprints(data, home.fingerprints)
    return folder


def write_fingerprints(data: PreparedDataset, folder: Path) -> None:
    from benchmark.data.store.fingerprints import CHUNK, WIDTH, fingerprints_file

    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    noise = draw.standard_normal((CHUNK, WIDTH), np.float32)
    out = ArrayWriter(fingerprints_file(data, folder), np.dtype(np.float16), (len(data), WIDTH))
    for rows in data.chunks(CHUNK):
        part = np.roll(noise, int(draw.integers(WIDTH)), axis=1)[: len(rows)]
        out[rows] = part / np.linalg.norm(part, axis=1, keepdims=True)
    out.finish()


# --- what is measured ------------------------------------------------------------------------------


def store_of(folder: Path) -> PreparedDataset:
    (store,) = (path for path in Home(folder / "home").data.glob("*") if path.is_dir())
    return PreparedDataset(store)


def command(*arguments: str) -> Callable[[Path], object]:
    def run(folder: Path) -> object:
        from benchmark.cli import main as ecgarena

        return ecgarena([*arguments, str(folder / "large.toml"), "--home", str(folder / "home")])

    return run


def labels(folder: Path) -> object:
    from benchmark.data.labels.labelled_rows import LabelledRows

    data = store_of(folder)
    return LabelledRows.of(data, made_up_store.LABEL_SET, None).truth(data)


def subset(folder: Path) -> object:
    from benchmark.data.labels.labelled_rows import LabelledRows
    from benchmark.data.labels.subsets import draw

    data = store_of(folder)
    view = LabelledRows.of(data, made_up_store.LABEL_SET, None)
    rows = view.rows["train"]
    return draw(data.record_ids[rows], data.patient_ids[rows], view.labels["train"], view.classes, 0.1, 0)


def corpus(folder: Path) -> object:
    from benchmark.engine.pretraining import ReportedRecordings

    one = ReportedRecordings(store_of(folder), "train", SPEC)
    return one.digest, one.texts


def order(folder: Path) -> object:
    from benchmark.planning.training_config import TrainingConfig, step_groups

    return step_groups(len(store_of(folder)), TrainingConfig(batch_size=256, window=16_384), 0)


def leak_by_patients(folder: Path) -> object:
    import benchmark.data.store.shared_recordings as shared

    data = store_of(folder)
    shared.find_copies = lambda *_: []
    shared.fingerprints = lambda one, _: np.zeros((len(one), 0), np.float16)
    return shared.shared_recordings(data, "test", data, folder / "kept")


def leak_by_signals(folder: Path) -> object:
    from benchmark.data.store.fingerprints import find_copies, fingerprints

    among = fingerprints(store_of(folder), Home(folder / "home").fingerprints)
    return find_copies(np.asarray(among[-QUERIES:]), among, np.arange(len(among) - QUERIES))


SPEC = SignalSpec(rate=500.0)
WORK: dict[str, Callable[[Path], object]] = {
    "open": store_of,
    "table": lambda folder: store_of(folder).table,
    "labels and reports": labels,
    "label subset": subset,
    "corpus": corpus,
    "order of an epoch": order,
    "plan": command("plan"),
    "status": command("status"),
    "leak, by patients": leak_by_patients,
    "leak, by signals": leak_by_signals,
}


if __name__ == "__main__":
    main()
