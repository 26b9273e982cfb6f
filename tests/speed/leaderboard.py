"""50,000 records become every format: seconds, peak memory, and the time that reading the records alone takes.

python tests/speed/leaderboard.py [CELLS]

The records are made up (synthetic), with trials, per-class values and resamples as real ones have them. The floor, in
the same run: reading and parsing every record.json, which no leaderboard can do without.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from figures import check_count, ratio, show

from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.paths import RECORD
from benchmark.records.record import RunRecord
from benchmark.records.store import Store

ROWS, SEEDS = 30, 30
FORMATS = "md,csv,tex,html,pdf,png,svg"


def suite(folder: Path, cells: int) -> Path:
    """30 rows, one label set, 30 subset seeds, and as many label fractions as the number of cells asks for."""
    fractions = [round(0.01 + 0.9 * i / max(cells // (ROWS * SEEDS), 1), 4) for i in range(cells // (ROWS * SEEDS))]
    text = f"""
name = "large"
title = "Made-up records"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["conditions"]
[[tasks]]
name = "linear_probe"
config = {{ fraction = {fractions}, seed = {list(range(SEEDS))} }}
"""
    for row in range(ROWS):
        text += f'[[methods]]\nname = "handcrafted"\nlabel = "method-{row:02d}"\nconfig = {{ rate = {50 + row} }}\n'
    path = folder / "large.toml"
    path.write_text(text, "utf-8")
    return path


def fill(path: Path, store: Store) -> int:
    """Write the records without the store's care for a kill in the middle: making them is not what is measured."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (ROWS, 1000)).astype(np.float32)
    plan = make_plan(load_suite(str(path)))
    classes = plan_classes()
    trials = [{"C": float(rng.uniform()), "val_macro_auroc": float(rng.uniform()), "number": n} for n in range(16)]
    common = RunRecord("", {}, {}, "done", details={"trials": trials}, primary="auroc_macro", synthetic=True)
    common.resampling, common.data_digest = {"resamples": 1000, "seed": 0, "recordings": "x"}, "made-up"
    common.n = {"train": 100, "test": 2000}
    for cell in plan.cells:
        row = int(cell.row[-2:])
        value = round(0.6 + 0.01 * row + 0.01 * float(rng.normal()), 6)
        own = {"key": cell.spec.key, "spec": cell.spec.to_json(), "question": cell.question}
        own |= {"metrics": {"auroc_macro": value}, "intervals": {"auroc_macro": (value - 0.02, value + 0.02)}}
        per_class = {name: {"auroc": value, "auprc": value, "f1": value, "positives": 9} for name in classes}
        cost = {"parameters": 1e5 * (row + 1), "flops": 1e6 * (row + 1), "feature_seconds": 1e-3}
        record = RunRecord(**{**common.to_json(), **own, "per_class": per_class, "cost": cost, "files": {}})
        store.write(cell.spec, record, resampled=np.float32(value) + noise[row])
    return len(plan.cells)


def plan_classes() -> tuple[str, ...]:
    from benchmark.registry import DATASETS

    return DATASETS.get("synthetic").label_sets["conditions"]


def main(cells: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, store = suite(folder, cells), Store(folder / "records")
        product = fill(path, store)
        start = time.perf_counter()
        parsed = sum(bool(json.loads(file.read_bytes())) for file in store.root.glob(f"*/*/*/{RECORD}"))
        floor = time.perf_counter() - start
        check_count("records written and read", parsed, cells // (ROWS * SEEDS) * ROWS * SEEDS)
        command = [sys.executable, "-m", "benchmark", "leaderboard", str(path), "--records", str(store.root)]
        start = time.perf_counter()
        subprocess.run(
            [*command, "--format", FORMATS, "--out", str(folder / "out")], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        check_count("formats written", len(formats_in(folder / "out")), len(FORMATS.split(",")))
        page = (folder / "out" / "large.html").stat().st_size / 1e6
    show(
        f"{product:,} made-up records of {ROWS} methods become every format, page of {page:.2f} MB",
        f"{seconds:.1f} s, peak {peak:.2f} GB",
        f"reading and parsing the records alone {floor:.1f} s",
        f"{1 / ratio(seconds, floor):.2f}",
    )


def formats_in(folder: Path) -> set[str]:
    """Return the endings of the files in a folder, of those that were asked for."""
    return {file.suffix[1:] for file in folder.rglob("*.*")} & set(FORMATS.split(","))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
