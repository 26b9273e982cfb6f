"""A method and data so small that a training of them takes a moment."""

import hashlib

import numpy as np
import torch
from torch import nn

from benchmark.api import Batch, MethodCard, SignalSpec, TrainableMethod


class Toy(nn.Module, TrainableMethod):
    """A small network with dropout and BatchNorm: both have state that a resume must restore."""

    card = MethodCard("toy", "none", "none")

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 8))

    @property
    def signal(self):
        return SignalSpec()

    def ecg_features(self, ecg):
        return self.net(ecg)

    def loss(self, batch):
        return {"mse": (self.net(batch.ecg) - batch.ecg).square().mean()}


class Noise:
    def __init__(self, n=64, broken=()):
        self.x = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32))
        self.x[list(broken)] = float("nan")

    @property
    def digest(self):
        return hashlib.sha256(self.x.numpy().tobytes()).hexdigest()

    def __len__(self):
        return len(self.x)

    def batch(self, positions):
        return Batch(self.x[positions], [f"r{p}" for p in positions])


def toy(seed=0):
    torch.manual_seed(seed)
    return Toy()


def losses(progress):
    return [epoch["loss"] for epoch in progress.history]
