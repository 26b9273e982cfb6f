"""Print how features from a prepared dataset come faster than by a loop that reads, computes and fetches in turn.

python tests/speed/extraction.py [--recordings 8192] [--patients 200] [--rounds 2] [--device cuda]

SYNTHETIC recordings of 10 s at 500 Hz, taken over and over; MERL's encoders in their form for inference on both sides,
so that what differs is how the device gets its batches. `features.py` compares that form with a plain one. On a CPU
nothing is read ahead, and the ratio is that of reading in small blocks and of small batches.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from figures import check_close, check_count, rate, ratio, show, spread

from benchmark.api import Method
from benchmark.data.signals.signal import adapt
from benchmark.data.store.preparation import prepare
from benchmark.data.store.prepared import PreparedDataset
from benchmark.engine.building import build
from benchmark.engine.events import discard_event
from benchmark.engine.features import BATCH_GPU, extract
from benchmark.engine.precision import has_bf16
from benchmark.paths import Home

ENCODERS = ("resnet18", "vit_tiny", "vit_small")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=8192)
    parser.add_argument("--patients", type=int, default=200, help="of the synthetic dataset, about two recordings each")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    precision = "bf16" if has_bf16(options.device) else "fp32"
    name = torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU"
    with tempfile.TemporaryDirectory() as folder:
        config = {"patients": options.patients, "rate": 500.0}
        data = prepare("synthetic", config, Home(Path(folder)), workers=torch.get_num_threads())
        rows = np.resize(np.arange(len(data)), options.recordings)
        print(f"{name}, {precision}, {len(rows)} of {len(data)} SYNTHETIC recordings", flush=True)
        for encoder in ENCODERS:
            method = build("merl", {"encoder": encoder, "text_model": None}, device=options.device)
            compare(encoder, method.for_inference(precision), data, rows, options)


def compare(name: str, method: Method, data: PreparedDataset, rows: np.ndarray, options: argparse.Namespace) -> None:
    sides = {
        "in turn": lambda some: in_turn(method, data, some, options.device),
        "harness": lambda some: extract(method, "features", data, some, discard_event, options.device),
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    result: dict[str, np.ndarray] = {side: function(rows[:BATCH_GPU]) for side, function in sides.items()}
    for _ in range(options.rounds):
        for side, function in sides.items():
            start = time.perf_counter()
            result[side] = function(rows)
            rates[side].append(rate(len(rows), time.perf_counter() - start))
            check_count(f"{name}, {side}: recordings", len(result[side]), len(rows))
    ratios = [ratio(b, a) for a, b in zip(rates["in turn"], rates["harness"], strict=True)]
    error = np.abs(result["harness"] - result["in turn"]).max() / np.abs(result["in turn"]).max()
    check_close(f"{name}: features of the two sides", float(error), 0.05)  # of bf16
    show(
        f"features of {name} from a prepared dataset on {options.device}, {len(rows):,} recordings, error {error:.0e}",
        f"{max(rates['harness']):.0f} recordings/s",
        f"reading, computing and fetching in turn {max(rates['in turn']):.0f}/s",
        spread(ratios, ".2f"),
    )


def in_turn(method: Method, data: PreparedDataset, rows: np.ndarray, device: str) -> np.ndarray:
    """What one would write: batches as large as the harness gives a GPU, each read, computed and fetched."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH_GPU):
            ecg = adapt(data.millivolt(rows[start : start + BATCH_GPU]), data.rate, method.signal)
            out.append(method.ecg_features(torch.from_numpy(ecg).to(device)).float().cpu().numpy())
    return np.concatenate(out)


if __name__ == "__main__":
    main()
