"""Print how much faster this checkout trains the compact methods than another commit does, in processor time.

Run it: ``python tests/speed/compact_training.py --against COMMIT [--methods merl cmelt] [--steps 5] [--data FOLDER]``.
The files of the other commit are written to a temporary folder. One process for each side holds a method of the suite
`ptbxl_methods`; both take turns, step by step, on the same batches of 128 recordings, with one thread. A step is
forward, backward, clipping and AdamW. The other commit trains in fp32 unless ``--against-precision bf16``; this one by
``precision = "auto"``. The reports are PTB-XL's where `--data` (default: the shared data) has them, else SYNTHETIC
ones; signals are noise, since their values cost nothing. Each side checks that its weights moved and its losses are
finite.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import lzma
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from figures import check_count, rate, ratio, show, spread

ROOT = Path(__file__).resolve().parents[2]
SUITE = "tasks/suites/ptbxl_methods.toml"
METHODS = ("merl", "deri", "cmelt", "cgdmer")
BATCH = 128
UNUSED = ("results", "tests", "docs")  # folders that a training does not read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="HEAD~1", help="the other commit")
    parser.add_argument("--against-precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--steps", type=int, default=5, help="timed steps; the first of each side is not timed")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ECGARENA_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--worker", nargs=3, metavar=("METHOD", "PRECISION", "REPORTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(*options.worker)
        return
    with tempfile.TemporaryDirectory() as folder:
        other = code_of(options.against, Path(folder) / "other")
        reports, kind = read_reports(options.data, BATCH * (options.steps + 1))
        file = Path(folder) / "reports.json"
        file.write_text(json.dumps(reports), "utf-8")
        print(f"batch {BATCH}, one thread, {kind}; against {options.against} in {options.against_precision}")
        for name in options.methods:
            compare(name, {"auto": ROOT, options.against_precision: other}, file, options.steps)


def code_of(commit: str, folder: Path) -> Path:
    """Write the files of a commit into a folder, all but `UNUSED`; return the folder.

    A `git worktree` would stay registered in the repository where this process is killed.
    """
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, "--", ".", *(f":!{name}" for name in UNUSED)]
    content = subprocess.run(archive, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        files.extractall(folder, filter="data")
    return folder


def compare(name: str, sides: dict[str, Path], reports: Path, steps: int) -> None:
    workers = [start_worker(folder, name, precision, reports) for precision, folder in sides.items()]
    try:
        precisions, seconds = take_turns(workers, steps)
    finally:
        for worker in workers:  # a step under way would go on for minutes after this script was stopped
            worker.kill()
    check_count(f"{name}: pairs of steps", min(map(len, seconds)), steps)
    now, then = (rate(BATCH, statistics.median(durations)) for durations in seconds)
    show(
        f"a training step of {name}, batch {BATCH}, one thread, processor time",
        f"{now:.1f} recordings/s in {precisions[0]}",
        f"before {then:.1f}/s in {precisions[1]}",
        spread([ratio(then, now) for now, then in zip(*seconds, strict=True)], ".2f"),
    )


def take_turns(workers: list[subprocess.Popen[str]], steps: int) -> tuple[list[str], list[list[float]]]:
    """Return the precision of each worker and the seconds of its steps, after one that is not timed."""
    seconds: list[list[float]] = [[] for _ in workers]
    for number in range(steps + 1):
        for worker, durations in zip(workers, seconds, strict=True):
            answer = ask(worker, number)
            durations.extend([answer["seconds"]] if number else [])
    return [ask(worker, -1)["precision"] for worker in workers], seconds


def start_worker(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--worker", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ask(worker: subprocess.Popen[str], number: int) -> dict[str, Any]:
    assert worker.stdin is not None and worker.stdout is not None
    print(number, file=worker.stdin, flush=True)
    answer = worker.stdout.readline()
    if not answer:
        raise SystemExit("a side of the comparison ended; its error stands above")
    return dict(json.loads(answer))


def serve(name: str, precision: str, reports: str) -> None:
    """One side: a training step for each number on standard input, and -1 to end."""
    import torch

    from benchmark.api import Batch
    from benchmark.engine.building import build
    from benchmark.engine.precision import has_bf16

    torch.manual_seed(0)
    texts = json.loads(Path(reports).read_text("utf-8"))
    config = next(m for m in tomllib.loads(Path(SUITE).read_text("utf-8"))["methods"] if m["name"] == name)["config"]
    method: Any = build(name, config, device="cpu")
    method.start_pretraining(texts)
    method.train()
    weights = [weight for weight in method.parameters() if weight.requires_grad]
    fused = {"fused": True} if precision == "auto" else {}
    optimiser = torch.optim.AdamW(weights, lr=1e-4, **fused)
    bf16 = precision == "bf16" or (precision == "auto" and has_bf16("cpu"))
    ecg = torch.randn(BATCH, 12, method.signal.samples, generator=torch.Generator().manual_seed(0))
    for line in sys.stdin:
        number = int(line)
        if number < 0:
            print(json.dumps({"precision": "bf16" if bf16 else "fp32"}), flush=True)
            return
        batch = Batch(ecg.clone(), list(map(str, range(BATCH))), texts[number * BATCH : (number + 1) * BATCH])
        before = weights[0].detach().clone()
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = sum(method.loss(batch).values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        seconds = time.process_time() - start
        assert torch.isfinite(loss) and not torch.equal(before, weights[0]), "the step did not train"
        print(json.dumps({"seconds": seconds}), flush=True)


def read_reports(data: Path, count: int) -> tuple[list[str], str]:
    table = data / "data/ptb-xl/ptbxl_database.csv.xz"
    if not table.exists():
        from benchmark.datasets.synthetic import Synthetic

        return [entry.report for entry in Synthetic(patients=count).entries(None)][:count], "SYNTHETIC reports"
    with lzma.open(table, "rt", encoding="utf-8") as lines:
        reports = [row["report"] for row in csv.DictReader(lines)]
    random.Random(0).shuffle(reports)
    return reports[:count], "reports of PTB-XL"


if __name__ == "__main__":
    main()
