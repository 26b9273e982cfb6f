"""Training in bf16 ends where training in fp32 does: the difference is within the noise between seeds."""

import statistics

import pytest
import torch

from benchmark.api import Batch
from benchmark.engine.building import build
from benchmark.engine.events import discard_event
from benchmark.engine.training import train
from benchmark.planning.training_config import TrainingConfig
from tests.methods.test_merl import draw_pairs

SEEDS = (0, 1, 2)


class Pairs:
    """64 SYNTHETIC recordings with their reports."""

    digest = "pairs"

    def __init__(self):
        self.ecg, self.reports = draw_pairs(64)

    def __len__(self):
        return len(self.ecg)

    def batch(self, positions):
        return Batch(self.ecg[positions], list(map(str, positions)), [self.reports[i] for i in positions])


def final_loss(precision, seed):
    torch.manual_seed(seed)
    config = {"width": 8, "rate": 25.0, "embed_dim": 16, "text_model": "tiny", "scaling": "millivolt"}
    method = build("merl", config, device="cpu")
    method.start_pretraining(draw_pairs(64)[1])
    training = TrainingConfig(epochs=12, batch_size=32, lr=3e-3, precision=precision, seed=seed)
    return train(method, Pairs(), training, "merl", discard_event).history[-1]["loss"]


def test_three_seeds_end_within_the_noise_of_fp32():
    fp32, bf16 = ([final_loss(precision, seed) for seed in SEEDS] for precision in ("fp32", "bf16"))
    first = final_loss("fp32", 0)
    noise = statistics.stdev(fp32)
    assert first == fp32[0] != bf16[0] and noise > 0
    assert statistics.mean(bf16) == pytest.approx(
        statistics.mean(fp32), abs=max(2 * noise, 0.05 * statistics.mean(fp32))
    )
