"""Training at paper sizes (DERI, C-MELT, CG-DMER, MERL): pairs per second and share of the device's bf16 peak.

python tests/speed/paper_sizes.py [--methods merl deri] [--batch 128] [--steps 6] [--device cuda]

Recordings of 10 s at 500 Hz, reports of the synthetic dataset, text towers of the published shapes with random weights
(what a step costs does not depend on what the weights say). The peak is that of one square bf16 matrix product,
measured in the same run; operations are counted by torch (matrix products, convolutions and attention, forward and
backward), so that element-wise work counts as none. bf16 autocast and fp32 take turns within each round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from figures import check_count, rate, ratio, show
from torch.utils.flop_counter import FlopCounterMode
from training import check_trained, corpus, write_bert

from benchmark.api import Batch, TrainableMethod
from benchmark.engine.building import build

FLAN_T5_BASE = {"d_model": 768, "d_ff": 2048, "d_kv": 64, "num_layers": 12, "num_heads": 12, "vocab_size": 32128}
METHODS = ("merl", "deri", "cmelt", "cgdmer")
MATRIX = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=6, help="timed steps; two before them are not timed")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--matrix", type=int, default=MATRIX, help="rows of the matrices that measure the peak")
    options = parser.parse_args()
    name = torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU"
    peak = measured_peak(options.device, options.matrix)
    print(f"{name}, torch {torch.__version__}, batch {options.batch}, bf16 peak {peak / 1e12:.1f} TFLOP/s", flush=True)
    reports = corpus(options.batch)
    with tempfile.TemporaryDirectory() as folder:
        towers = {"bert": Path(folder) / "bert", "t5": Path(folder) / "t5"}
        for path in towers.values():
            path.mkdir()
        write_bert(str(towers["bert"]), reports, 768, 12)
        write_t5(towers["t5"], reports)
        for method in options.methods:
            measure(method, towers, reports, peak, options)


def measure(name: str, towers: dict[str, Path], reports: list[str], peak: float, options: argparse.Namespace) -> None:
    config: dict[str, object] = {"text_model": str(towers["t5" if name == "cmelt" else "bert"])}
    if name == "cmelt":
        config["negative_model"] = "hashed"  # found once, before the first step
    step = Step(name, config, reports, options)
    with FlopCounterMode(display=False) as counter:
        step("fp32")
    operations = counter.get_total_flops()
    seconds: dict[str, list[float]] = {"bf16": [], "fp32": []}
    for number in range(options.steps + 2):
        for precision, durations in seconds.items():
            took = step(precision)
            durations += [took] if number > 1 else []
    for precision, durations in seconds.items():
        median = statistics.median(durations)
        check_count(f"{name}, {precision}: steps", len(durations), options.steps)
        share = ratio(operations, peak) / median
        show(
            f"a training step of {name} at the size of its paper, {precision}, batch {options.batch}",
            f"{rate(options.batch, median):.1f} pairs/s ({1e3 * min(durations):.0f} to {1e3 * max(durations):.0f} ms)",
            f"{operations / 1e12:.2f} TFLOP per step, {share:.1%} of the bf16 peak of {peak / 1e12:.0f} TFLOP/s",
        )


class Step:
    """One training step of one method; returns its seconds."""

    def __init__(self, name: str, config: dict[str, object], reports: list[str], options: argparse.Namespace) -> None:
        self.method, self.device = build(name, config, device=options.device), options.device
        assert isinstance(self.method, TrainableMethod) and isinstance(self.method, torch.nn.Module)
        self.method.start_pretraining(reports)
        self.method.train()
        ecg = torch.randn(len(reports), 12, self.method.signal.samples, device=options.device)
        self.batch = Batch(ecg, [str(i) for i in range(len(reports))], reports)
        self.weights = [weight for weight in self.method.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(self.weights, lr=1e-5)

    def __call__(self, precision: str) -> float:
        before = self.weights[0].detach().clone()
        self._wait()
        start = time.perf_counter()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=precision == "bf16"):
            losses = self.method.loss(self.batch)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self._wait()
        seconds = time.perf_counter() - start
        check_trained(sum(losses.values()), before, self.weights[0])
        return seconds

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def measured_peak(device: str, rows: int) -> float:
    """Operations per second of the best of ten square bf16 products."""
    left, right = (torch.randn(rows, rows, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        start = time.perf_counter()
        torch.mm(left, right)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * rows**3 / best


def write_t5(folder: Path, reports: list[str], sizes: dict[str, int] = FLAN_T5_BASE) -> None:
    """A T5 encoder (by default Flan-T5-base) with random weights, and a tokeniser that knows the reports' words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    words = ["<pad>", "</s>", "<unk>", "<extra_id_0>", *sorted({w for report in reports for w in report.split()})]
    tokeniser = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="<unk>"))
    tokeniser.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokeniser,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<extra_id_0>"],
    ).save_pretrained(folder)
    T5EncoderModel(T5Config(**sizes, feed_forward_proj="gated-gelu")).save_pretrained(folder)


if __name__ == "__main__":
    main()
