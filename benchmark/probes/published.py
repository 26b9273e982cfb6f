"""The probing loop of published code (MERL, ICML 2024; DERI, IJCAI 2025), with each of its quirks as a switch.

One linear layer on the backbone is trained by Adam in small batches for 100 epochs; validation and test can be scored
after every epoch. As published, the scheduler steps after every batch and again after every epoch, so its milestone
counts batches. The whole model is in train mode, so BatchNorm's statistics follow the probed data and dropout is
active. The reported number is that of the best test epoch. This is a slow path for explaining numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.api import Method

Encode = Callable[[str, np.ndarray], Tensor]  # split and positions in it -> features (batch, d)
EVALUATION_BATCH = 256  # recordings


@dataclass(frozen=True)
class Loop:
    """Options of the loop, MERL's by default; DERI's are lr 0.01 and milestone 50."""

    epochs: int = 100
    batch_size: int = 16
    lr: float = 1e-3
    weight_decay: float = 1e-4
    milestone: int = 40  # scheduler steps after which the rate is a tenth
    cut_per_batch: bool = True
    freeze: bool = True  # the backbone's weights; its BatchNorm statistics move in train mode all the same
    seed: int = 0


@dataclass(frozen=True)
class Probe:
    """The linear layer and the backbone below it, None for fixed features, in the state that training has reached."""

    encode: Encode
    backbone: nn.Module | None
    head: nn.Linear
    sizes: Mapping[str, int]  # recordings by split

    def logits(self, split: str) -> np.ndarray:
        """Return the logits ``(n, C)`` of a split; neither weights nor random numbers change by it."""
        size = self.sizes[split]
        with torch.inference_mode():
            parts = [
                self.head(self.encode(split, np.arange(start, min(start + EVALUATION_BATCH, size)))).cpu().numpy()
                for start in range(0, size, EVALUATION_BATCH)
            ]
        return np.concatenate(parts)

    def state(self) -> list[Tensor]:
        """Return a copy of all that training changes: the weights that it moves, and statistics."""
        return [tensor.detach().clone() for tensor in self._moving()]

    def restore(self, state: list[Tensor]) -> None:
        """Go back to a `state`, bit by bit."""
        with torch.no_grad():
            for tensor, value in zip(self._moving(), state, strict=True):
                tensor.copy_(value)

    def _moving(self) -> Iterator[Tensor]:
        for module in filter(None, (self.head, self.backbone)):
            yield from (weight for weight in module.parameters() if weight.requires_grad)
            yield from module.buffers()


def train_published_probe(
    encode: Encode,
    backbone: nn.Module | None,
    labels: np.ndarray,
    sizes: dict[str, int],
    loop: Loop,
    device: str,
) -> Iterator[Probe]:
    """Train on `labels` ``(n, C)`` of split "train"; yield the one probe, in eval mode, after every epoch.

    `backbone` is put into train mode for training; None means that the features are fixed. `sizes` are the numbers of
    recordings of "val" and "test". Batches are of nearly equal size, so that none has a single recording.
    """
    torch.manual_seed(loop.seed)
    order = np.random.default_rng(loop.seed)
    targets = torch.from_numpy(labels.astype(np.float32)).to(device)
    with torch.no_grad():
        dim = encode("train", np.arange(1)).shape[1]
    head = nn.Linear(dim, labels.shape[1]).to(device)
    weights = [*head.parameters()]
    if backbone is not None:
        backbone.requires_grad_(not loop.freeze)
        weights += [] if loop.freeze else [*backbone.parameters()]
    optimiser = torch.optim.Adam(weights, lr=loop.lr, weight_decay=loop.weight_decay)
    probe = Probe(encode, backbone, head, sizes)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [loop.milestone], gamma=0.1)
    for _ in range(loop.epochs):
        _set_mode(backbone, training=True)
        for positions in np.array_split(order.permutation(len(labels)), -(-len(labels) // loop.batch_size)):
            with torch.set_grad_enabled(not loop.freeze):
                features = encode("train", positions)
            loss = binary_cross_entropy_with_logits(head(features), targets[positions])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if loop.cut_per_batch:
                scheduler.step()
        scheduler.step()
        _set_mode(backbone, training=False)
        yield probe


def _set_mode(backbone: nn.Module | None, training: bool) -> None:
    if backbone is not None:
        nn.Module.train(backbone, training)  # bypasses the method's own `train`, which the published loop does not have


def encode_by_lookup(features: dict[str, np.ndarray], device: str) -> Encode:
    """Return an encoder that looks up precomputed features, ``(n, d)`` by split."""
    tensors = {split: torch.from_numpy(np.array(values, np.float32)).to(device) for split, values in features.items()}
    return lambda split, positions: tensors[split][positions]


def encode_by_method(method: Method, read: Callable[[str, np.ndarray], Tensor], device: str) -> Encode:
    """Return an encoder that runs the method in its current state; `read` gives signals ``(batch, lead, time)``."""
    return lambda split, positions: method.ecg_features(read(split, positions).to(device)).float()
