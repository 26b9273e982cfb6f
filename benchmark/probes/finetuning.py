"""Fine-tuning of any torch module: its features, one linear layer, and rates that fall towards the input.

Layer-wise rates follow Howard and Ruder (ULMFiT, ACL 2018). Depth is found, not declared: the order in which the
modules that own weights begin their work in one forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.api import Batch, Method, MethodCard, SignalSpec, SupervisedMethod
from benchmark.errors import BenchmarkError, UsageError


class FineTuned(nn.Module, SupervisedMethod):
    """A backbone with an output layer, both to be trained; weights that its features do not need stay frozen."""

    card: ClassVar[MethodCard] = MethodCard("Fine-tuned", "none", "MIT")

    def __init__(self, backbone: Method, classes: int, sample: Tensor) -> None:
        """`sample` are recordings ``(batch, lead, time)`` to find the depth of every layer with."""
        super().__init__()
        if not isinstance(backbone, nn.Module):
            raise UsageError(f"{type(backbone).__name__} is no torch module, it cannot be fine-tuned")
        self.backbone: Any = backbone
        self.layers, self.dim = _layers(backbone, backbone, sample)
        self.start_task(classes)

    @property
    def signal(self) -> SignalSpec:
        return self.backbone.signal

    def start_task(self, classes: int) -> None:
        """An output layer that starts at 0: before the first step no recording stands out."""
        self.head = nn.Linear(self.dim, classes, device=self.layers[0][0].device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def ecg_features(self, ecg: Tensor) -> Tensor:
        return self.backbone.ecg_features(ecg)

    def class_scores(self, ecg: Tensor) -> Tensor:
        return self.head(self.ecg_features(ecg))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy, mean over recordings and classes (``bce``), in float32 even under autocast."""
        assert batch.labels is not None
        return {"bce": binary_cross_entropy_with_logits(self.class_scores(batch.ecg).float(), batch.labels)}

    def rate_groups(self, lowest: float) -> list[dict[str, Any]]:
        """Parameter groups from the first layer, at `lowest` times the rate, in equal ratios up to the head."""
        count = len(self.layers)
        groups = [{"params": layer, "scale": lowest ** (1 - depth / count)} for depth, layer in enumerate(self.layers)]
        return [*groups, {"params": [*self.head.parameters()], "scale": 1.0}]


def _layers(method: Method, module: nn.Module, sample: Tensor) -> tuple[list[list[nn.Parameter]], int]:
    """Weights that features depend on, by depth, and the features' size; all other weights are frozen.

    Weights of a module that no call enters (the method's own, say) count to the first layer.
    """
    order: list[nn.Module] = []
    owners = [part for part in module.modules() if next(part.parameters(recurse=False), None) is not None]
    hooks = [part.register_forward_pre_hook(lambda entered, _: order.append(entered)) for part in owners]
    module.requires_grad_(True).zero_grad(set_to_none=True)
    features = method.ecg_features(sample)
    if features.requires_grad:
        features.sum().backward()
    for hook in hooks:
        hook.remove()
    used = {weight for weight in module.parameters() if weight.grad is not None}
    for weight in module.parameters():
        weight.requires_grad_(weight in used)
    if not used:
        raise BenchmarkError(f"no weight of {type(method).__name__} takes part in its features; nothing to fine-tune")
    entered = list(dict.fromkeys(order))
    outside = [part for part in owners if part not in entered]
    found = [list(_own(part, used)) for part in entered]
    rest = [weight for part in outside for weight in _own(part, used)]
    layers = [layer for layer in found if layer]
    module.zero_grad(set_to_none=True)
    return [[*rest, *layers[0]], *layers[1:]] if layers else [rest], features.shape[1]


def _own(module: nn.Module, used: set[nn.Parameter]) -> Iterator[nn.Parameter]:
    """A module's own weights that are in use; each weight is given once, though modules may share it."""
    for weight in module.parameters(recurse=False):
        if weight in used:
            used.discard(weight)
            yield weight
