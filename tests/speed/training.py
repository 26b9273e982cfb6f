"""The training step of each method, in pairs per second: as configured by default, with padding to 256 tokens, and with
the text of a frozen tower cached.

python tests/speed/training.py [--methods deri merl] [--batch 64] [--steps 5] [--width 64] [--bert 768] [--device cuda]

The text tower is a BERT of MedCPT's shape (12 layers of `--bert` channels) with random weights, written to a temporary
folder: what a step costs does not depend on what the weights say. Variants take turns within each round.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from typing import Any

import torch
from figures import check_count, rate, show

from benchmark.api import Batch, TrainableMethod
from benchmark.datasets.synthetic import Synthetic
from benchmark.engine.building import build

FROZEN = {"text_dropout_in_train": False}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "merl": {
        "dynamic padding": {},
        "padded to 256": {},
        "cached text": {**FROZEN, "cache_text": True},
        "small text model": {},
    },
    "deri": {
        "dynamic padding": {},
        "padded to 256": {"text_padding": "full"},
        "cached text": {**FROZEN, "cache_text": True},
        "cached text, padded to 256": {**FROZEN, "cache_text": True, "text_padding": "full"},
        "small text model": {},
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--steps", type=int, default=5, help="timed steps per variant; the first, of each, is not timed"
    )
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--bert", type=int, default=768, help="channels of the text tower")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    reports = corpus(options.batch)
    with tempfile.TemporaryDirectory() as folder:
        write_bert(folder, reports, options.bert, options.layers)
        print(f"{options.device}, {options.threads} threads, batch {options.batch}, {options.rate:g} Hz, fp32")
        for name in options.methods:
            steps = {
                label: Step(name, label, extra, folder, reports, options) for label, extra in VARIANTS[name].items()
            }
            seconds: dict[str, list[float]] = {label: [] for label in steps}
            for number in range(options.steps + 1):
                for label, step in steps.items():
                    durations = step()
                    seconds[label] += [durations] if number else []
            for label, durations in seconds.items():
                check_count(f"{name}, {label}: steps", len(durations), options.steps)
                show(
                    f"a training step of {name}, {label}, BERT of {options.layers} x {options.bert}, batch "
                    f"{options.batch} at {options.rate:g} Hz, width {options.width}, fp32 on {options.device}",
                    f"{rate(options.batch, statistics.median(durations)):.1f} pairs/s",
                )


class Step:
    """One training step of one variant: forward, backward, clip, AdamW; returns its seconds."""

    def __init__(
        self, name: str, label: str, extra: dict[str, Any], folder: str, reports: list[str], options: Any
    ) -> None:
        text = "small" if "small" in label else folder
        config = {"width": options.width, "rate": options.rate, "text_model": text, **extra}
        self.method = build(name, config, device=options.device)
        assert isinstance(self.method, TrainableMethod) and isinstance(self.method, torch.nn.Module)
        self.method.start_pretraining(reports)
        self.method.train()
        if label == "padded to 256" and not extra:  # no option of the method: it pays for padding and sees none
            self.method.encode_texts = functools.partial(self.method.encode_texts, pad_to=256)
        ecg = torch.rand(options.batch, 12, self.method.signal.samples, device=options.device)
        self.batch = Batch(ecg, [str(i) for i in range(options.batch)], reports)
        self.weights = [weight for weight in self.method.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(self.weights, lr=1e-4)

    def __call__(self) -> float:
        before = self.weights[0].detach().clone()
        start = time.perf_counter()
        self.optimiser.zero_grad(set_to_none=True)
        loss = sum(self.method.loss(self.batch).values())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        check_trained(loss, before, self.weights[0])
        return seconds


def check_trained(loss: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> None:
    """End the script unless a step had a finite loss and moved the first weight."""
    check_count("finite losses that moved a weight", int(torch.isfinite(loss) and not torch.equal(before, after)), 1)


def corpus(count: int) -> list[str]:
    entries = Synthetic(patients=count).entries(None)
    return [entry.report for entry in entries][:count]


def write_bert(folder: str, reports: list[str], width: int, layers: int) -> None:
    """A BERT with random weights, and a tokeniser that knows the reports' words."""
    from pathlib import Path

    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted({word for report in reports for word in report.split()}),
    ]
    (Path(folder) / "vocab.txt").write_text("\n".join(words), "utf-8")
    BertTokenizerFast(str(Path(folder) / "vocab.txt")).save_pretrained(folder)
    sizes = {"num_hidden_layers": layers, "num_attention_heads": max(1, width // 64), "intermediate_size": 4 * width}
    BertModel(BertConfig(vocab_size=30522, hidden_size=width, **sizes)).save_pretrained(folder)


if __name__ == "__main__":
    main()
