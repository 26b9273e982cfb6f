"""Print how feature extraction compares with a plain fp32 eval loop at batch 256, and by how much it differs.

Run it: ``OMP_NUM_THREADS=1 python tests/speed/features.py [--recordings 256] [--rounds 3]`` (on a GPU with 8,192
recordings or more, a few are over too soon). The plain loop is what one would write: ``Conv1d`` and ``BatchNorm1d`` as
they are, batches of 256. The harness folds the norms, keeps channels last, takes batches that suit the device, bf16
where the processor or the GPU multiplies it in hardware, and hands them to a GPU from threads. All sides run in turn in
one process on the same noise, 12 leads of 5,000 samples; the error is the largest difference from the plain loop,
relative to the largest feature. ``--bf16`` measures bf16 without the hardware too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from figures import check_close, check_count, rate, ratio, show, spread

from benchmark.api import Method
from benchmark.engine.features import BATCH_GPU
from benchmark.engine.precision import has_bf16
from benchmark.engine.prefetch import pinned, read_ahead, run_pipelined
from methods.nn.fold import copy_for_inference
from methods.nn.resnet1d import ResNet1D
from methods.nn.vit1d import ViT1D

SAMPLES, PLAIN_BATCH = 5000, 256


class PlainBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(outputs)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv1d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm1d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class PlainResNet(nn.Module):
    """ResNet18-1D as one writes it; it takes the weights of `ResNet1D` by name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(12, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm1d(64)
        for number, (inputs, outputs, stride) in enumerate([(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]):
            stage = nn.Sequential(PlainBlock(inputs, outputs, stride), PlainBlock(outputs, outputs, 1))
            self.add_module(f"layer{number + 1}", stage)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x


def pooled(encoder: nn.Module) -> Callable[[Tensor], Tensor]:
    def features(ecg: Tensor) -> Tensor:
        result = encoder(ecg)
        return result.mean(-1) if result.ndim == 3 else result

    return features


def plain_loop(function: Callable[[Tensor], Tensor], ecg: Tensor, batch: int, device: str) -> Tensor:
    with torch.inference_mode():
        return torch.cat([function(part.to(device)).float().cpu() for part in ecg.split(batch)])


def harness_loop(function: Callable[[Tensor], Tensor], ecg: Tensor, batch: int, device: str) -> Tensor:
    """What `benchmark.engine.features.extract` does, on recordings that lie in memory."""
    batches = read_ahead(lambda part: pinned(part, device), ecg.split(batch), device)
    return torch.cat(list(run_pipelined(function, batches, device)))


def measure(
    name: str, plain: nn.Module, encoder: nn.Module, ecg: Tensor, rounds: int, kinds: list[str], device: str
) -> None:
    plain.to(device).eval()
    sides = {"plain fp32, batch 256": (plain_loop, pooled(plain), PLAIN_BATCH)}
    for precision in kinds:
        fast = copy_for_inference(encoder.to(device), precision)
        samples = getattr(fast, "cpu_batch_samples", Method.cpu_batch_samples)
        size = BATCH_GPU if device == "cuda" else samples // SAMPLES
        sides[f"{precision}, batch {size}"] = (harness_loop, pooled(fast), size)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    outputs = {side: loop(function, ecg[:2], batch, device) for side, (loop, function, batch) in sides.items()}
    for _ in range(rounds):
        for side, (loop, function, batch) in sides.items():
            start = time.perf_counter()
            outputs[side] = loop(function, ecg, batch, device)
            seconds[side].append(time.perf_counter() - start)
            check_count(f"{name}, {side}: recordings", len(outputs[side]), len(ecg))
    base, reference = min(seconds["plain fp32, batch 256"]), outputs["plain fp32, batch 256"]
    for side, result in outputs.items():
        least = min(seconds[side])
        if side == "plain fp32, batch 256":
            continue
        ratios = [ratio(a, b) for a, b in zip(seconds["plain fp32, batch 256"], seconds[side], strict=True)]
        error = float((result - reference).abs().max() / reference.abs().max())
        check_close(f"{name}, {side}: features", error, 0.05)  # of bf16
        show(
            f"features of {name} on {device}, 10 s at 500 Hz, {side}, error {error:.0e}",
            f"{rate(len(ecg), least):.1f} recordings/s",
            f"plain fp32 loop at batch 256: {rate(len(ecg), base):.1f}/s",
            spread(ratios, ".2f"),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16", action="store_true", help="measure bf16 although this device only emulates it")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    hardware = has_bf16(device)
    print(f"{device}, {torch.get_num_threads()} threads, bf16 in hardware: {'yes' if hardware else 'no'}")
    kinds = ["fp32", "bf16"] if hardware or arguments.bf16 else ["fp32"]
    torch.manual_seed(0)
    ecg = torch.randn(arguments.recordings, 12, SAMPLES)
    resnet, plain = ResNet1D("resnet18", 64, classes=0).eval(), PlainResNet()
    plain.load_state_dict(resnet.state_dict())
    measure("ResNet18-1D", plain, resnet, ecg, arguments.rounds, kinds, device)
    for size, width in (("tiny", 192), ("small", 384)):
        vit = ViT1D(SAMPLES, width).eval()
        measure(f"ViT-{size}", vit, vit, ecg, arguments.rounds, kinds, device)


if __name__ == "__main__":
    main()
