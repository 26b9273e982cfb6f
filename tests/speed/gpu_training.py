"""Training at paper sizes on a GPU: eager, compiled, and compiled on recordings that lie on the device.

python tests/speed/gpu_training.py [--methods merl deri cmelt cgdmer] [--batch 128 512] [--text bucketed cached]
    [--turns 5] [--processes N] [--device cuda] [--data FOLDER] [--tiny]

Each variant trains its own copy of a method, from the same weights, on the same batches and random numbers; they take
turns of five steps, since a step that waits for nothing runs into the next. A step is what the loop of `ecgarena
pretrain` does: recordings read ahead and copied from the host (but for `resident`), forward and backward in bf16,
clipping, AdamW. Printed are pairs per second of all GPUs, and the share of
their measured bf16 peak that the counted operations come to. `bucketed` reads each different text once, padded to few
shapes; `cached` keeps the outputs of a frozen text tower (methods that have the option). With `--processes N` the N
GPUs of this machine train together, with gathered negatives; `--batch` counts the global batch.

A ratio is printed where both sides do the same steps: loss and gradient norm of a batch in fp32 and without dropout,
before the timed steps, agree to 1e-3; else the script fails. Reports are PTB-XL's where `--data` (default: the shared
data) has them, else SYNTHETIC; signals are noise. `--tiny --device cpu` is for the test of this script: its figures
mean nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compact_training import ROOT, read_reports
from paper_sizes import FLAN_T5_BASE, measured_peak, write_t5
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from training import write_bert

from benchmark.api import Batch, TrainableMethod
from benchmark.engine import distributed
from benchmark.engine.building import build
from benchmark.engine.compiling import CompiledBlocks
from benchmark.engine.prefetch import on_gpu, pinned, read_ahead
from benchmark.engine.resident import ResidentData
from benchmark.engine.training import seed_step

METHODS = ("merl", "deri", "cmelt", "cgdmer")
VARIANTS = ("compiled", "resident", "compiled, resident")  # beside eager
CACHED = {"freeze_text": True, "text_dropout_in_train": False, "cache_text": True}
AGREEMENT = 1e-3  # relative, between variants in fp32
TURN = 5  # steps
WARM_UP = 3  # turns that are not timed: in them blocks are compiled
TINY: dict[str, dict[str, Any]] = {
    "merl": {"width": 8},
    "deri": {"width": 8, "decoder_heads": 2},
    "cmelt": {
        "width": 32, "depth": 1, "heads": 2, "channels": 16, "position_kernel": 8, "position_groups": 2,
        "fusion_layers": 1, "mem_layer": 0, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2,
    },
    "cgdmer": {"width": 32, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2},
}  # fmt: skip
TINY_T5 = {"d_model": 32, "d_ff": 64, "d_kv": 16, "num_layers": 1, "num_heads": 2, "vocab_size": 32128}


class Recordings:
    """Made-up recordings of noise with reports, on the host."""

    digest = "noise"

    def __init__(self, shape: tuple[int, ...], reports: list[str]) -> None:
        self.ecg = torch.randn(len(reports), *shape, generator=torch.Generator().manual_seed(0))
        self.reports = reports

    def __len__(self) -> int:
        return len(self.reports)

    def batch(self, positions: np.ndarray) -> Batch:
        return Batch(self.ecg[positions], list(map(str, positions)), [self.reports[i] for i in positions])


class Trainee:
    """One variant: its method, optimiser and data, which it draws in the order of `batches`."""

    def __init__(
        self, variant: str, method: nn.Module, recordings: Recordings, batches: list[np.ndarray], device: str
    ) -> None:
        assert isinstance(method, TrainableMethod)
        self.method, self.module, self.device = method, method, device
        self.compiled = CompiledBlocks(method, device) if variant.startswith("compiled") else None
        self.data = ResidentData(recordings, device) if variant.endswith("resident") else recordings
        self.weights = [weight for weight in method.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(self.weights, lr=1e-5, fused=True)
        self.batches, self.number = read_ahead(self._read, batches, device), 0

    def turn(self) -> float:
        """Take the steps of a turn and return their seconds, from an idle device to an idle device."""
        wait(self.device)
        start = time.perf_counter()
        for _ in range(TURN):
            loss = self.step(next(self.batches))
        wait(self.device)
        seconds = time.perf_counter() - start
        assert torch.isfinite(loss), "the steps did not train"
        return seconds

    def step(self, batch: Batch) -> Tensor:
        """Take one step and return its loss, which is not read."""
        self.number += 1
        with self.compiled.steps() if self.compiled else nullcontext():
            loss = self.loss(batch, True)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
        distributed.average_gradients(self.weights)
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.method.after_step()
        return loss.detach()

    def loss(self, batch: Batch, bf16: bool) -> Tensor:
        batch.ecg = batch.ecg.to(self.device, non_blocking=True)
        seed_step(0, 0, self.number)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bf16):
            return sum(self.method.loss(batch).values(), start=torch.zeros((), device=self.device))

    def _read(self, positions: np.ndarray) -> Batch:
        """Read this process's share of a global batch."""
        batch = self.data.batch(distributed.shard(positions))
        batch.ecg = pinned(batch.ecg, self.device)
        return batch

    def check(self, positions: np.ndarray) -> tuple[float, float]:
        """Return loss and gradient norm of a batch in fp32, without dropout and without a step."""
        with without_dropout(self.module), self.compiled.steps() if self.compiled else nullcontext():
            loss = self.loss(self._read(positions), False)
            loss.backward()
        distributed.average_gradients(self.weights)
        norm = nn.utils.get_total_norm([weight.grad for weight in self.weights if weight.grad is not None])
        self.optimiser.zero_grad(set_to_none=True)
        return float(distributed.mean(loss.detach())), float(norm)


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Let nothing be dropped: compiled code draws its random numbers otherwise."""
    rates = [
        (part, name, getattr(part, name))
        for part in module.modules()
        for name in ("p", "dropout", *["rate"] * (type(part).__name__ == "DropPath"))
        if isinstance(getattr(part, name, None), float)
    ]
    for part, name, _ in rates:
        setattr(part, name, 0.0)
    yield
    for part, name, rate in rates:
        setattr(part, name, rate)


def main() -> None:
    options = parse()
    if options.processes > 1 and "RANK" not in os.environ:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command = [*launcher, f"--nproc-per-node={options.processes}", __file__, *sys.argv[1:]]
        raise SystemExit(subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode)
    with distributed.process_group(options.device) as device, tempfile.TemporaryDirectory() as folder:
        reports, kind = read_reports(options.data, options.reports)
        towers = write_towers(Path(folder), reports, options.tiny)
        peak = measured_peak(device, 256 if options.tiny else 8192) * distributed.size()
        name = torch.cuda.get_device_name() if on_gpu(device) else "CPU"
        say(f"{distributed.size()} x {name}, torch {torch.__version__}, bf16 peak {peak / 1e12:.2f} TFLOP/s, {kind}")
        for method, text, batch in cases(options):
            compare(method, text, batch, towers, reports, peak, device, options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 512], help="global")
    parser.add_argument("--text", nargs="+", choices=("bucketed", "cached"), default=["bucketed", "cached"])
    parser.add_argument("--turns", type=int, default=5, help=f"timed turns of {TURN} steps of each, after {WARM_UP}")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--reports", type=int, default=4096, help="recordings and reports to draw batches from")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ECGARENA_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--tiny", action="store_true")
    return parser.parse_args()


def cases(options: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """Yield method, treatment of texts and batch size; the two that train their tower or mask words cache nothing."""
    for method in options.methods:
        for text in options.text if method in ("merl", "deri") else ["bucketed"] * ("bucketed" in options.text):
            for batch in options.batch:
                yield method, text, batch


def compare(
    name: str,
    text: str,
    batch: int,
    towers: dict[str, Path],
    reports: list[str],
    peak: float,
    device: str,
    options: argparse.Namespace,
) -> None:
    """Train all variants in turns and print a line for each."""
    config: dict[str, Any] = {"text_model": str(towers["t5" if name == "cmelt" else "bert"])}
    config |= CACHED if text == "cached" else {}
    config |= {"negative_model": "hashed"} if name == "cmelt" else {}  # negatives are searched before the first step
    config |= {"rate": 100.0, "seconds": 4.0, **TINY[name]} if options.tiny else {}
    draw = np.random.default_rng(0)
    batches = [draw.permutation(len(reports))[:batch] for _ in range(TURN * (options.turns + WARM_UP))]
    trainees: dict[str, Trainee] = {}
    for variant in ("eager", *options.variants):
        method: Any = build(name, config, device=device, seed=0)
        method.start_pretraining(reports)
        method.to(device).train()
        if text == "cached":
            with torch.no_grad():
                method.text_embeddings(reports)
        recordings = Recordings((len(method.signal.leads), method.signal.samples), reports)
        trainees[variant] = Trainee(variant, method, recordings, batches, device)
    checks = {variant: trainee.check(batches[0]) for variant, trainee in trainees.items()}
    with FlopCounterMode(display=False) as counter:
        trainees["eager"].loss(trainees["eager"]._read(batches[0]), True).backward()
    operations = counter.get_total_flops() * distributed.size() * TURN
    seconds: dict[str, list[float]] = {variant: [] for variant in trainees}
    for number in range(options.turns + WARM_UP):
        for variant, trainee in trainees.items():
            duration = trainee.turn()
            seconds[variant] += [duration] if number >= WARM_UP else []
    for variant, durations in seconds.items():
        median, agrees = statistics.median(durations), agree(checks[variant], checks["eager"])
        ratio = statistics.median(then / now for then, now in zip(seconds["eager"], durations, strict=True))
        say(
            f"{name:7s} batch {batch:4d} {text:8s} {variant:18s} {TURN * batch / median:9.1f} pairs/s "
            f"({TURN * batch / max(durations):.0f} to {TURN * batch / min(durations):.0f}), "
            f"{operations / median / peak:6.1%} of the bf16 peak, "
            + (
                f"{ratio:.2f} times eager"
                if agrees
                else f"NO RATIO: loss, norm {checks[variant]}, eager {checks['eager']}"
            )
        )
    if not all(agree(check, checks["eager"]) for check in checks.values()):
        raise SystemExit(f"{name}: the variants did not do the same steps")


def agree(values: tuple[float, float], others: tuple[float, float]) -> bool:
    return all(abs(value - other) <= AGREEMENT * abs(other) for value, other in zip(values, others, strict=True))


def wait(device: str) -> None:
    if on_gpu(device):
        torch.cuda.synchronize()


def write_towers(folder: Path, reports: list[str], tiny: bool) -> dict[str, Path]:
    """Write text towers of the published shapes (or tiny ones), with random weights that all processes share."""
    torch.manual_seed(0)
    towers = {"bert": folder / "bert", "t5": folder / "t5"}
    for path in towers.values():
        path.mkdir()
    write_bert(str(towers["bert"]), reports, *(32, 1) if tiny else (768, 12))
    write_t5(towers["t5"], reports, TINY_T5 if tiny else FLAN_T5_BASE)
    return towers


def say(line: str) -> None:
    if distributed.rank() == 0:
        print(line, flush=True)


if __name__ == "__main__":
    main()
