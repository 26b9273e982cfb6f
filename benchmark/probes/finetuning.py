"""Fine-tuning of any torch module: its features, one linear layer, and learning rates that fall towards the input.

Layer-wise rates follow Howard and Ruder (ULMFiT, ACL 2018). Depth is observed, not declared: it is the order in which
the modules that own weights are called in one forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.api import Batch, Method, MethodCard, SignalSpec, SupervisedMethod
from benchmark.errors import BenchmarkError, UsageError


class FineTuned(nn.Module, SupervisedMethod):
    """A backbone and an output layer, both trainable; weights that the features do not depend on stay frozen."""

    card: ClassVar[MethodCard] = MethodCard("Fine-tuned", "none", "MIT")

    def __init__(self, backbone: Method, classes: int, sample: Tensor) -> None:
        """Find the depth of every layer in a forward pass over `sample`, recordings ``(batch, lead, time)``."""
        super().__init__()
        if not isinstance(backbone, nn.Module):
            raise UsageError(f"{type(backbone).__name__} is no torch module, it cannot be fine-tuned")
        self.backbone: Any = backbone
        self.layers, self.dim = _split_by_depth(backbone, backbone, sample)
        self.start_task(classes)

    @property
    def signal(self) -> SignalSpec:
        return self.backbone.signal

    def start_task(self, classes: int) -> None:
        """Attach an output layer of zeros: before the first step all recordings have the same scores."""
        self.head = nn.Linear(self.dim, classes, device=self.layers[0][0].device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def ecg_features(self, ecg: Tensor) -> Tensor:
        return self.backbone.ecg_features(ecg)

    def class_scores(self, ecg: Tensor) -> Tensor:
        return self.head(self.ecg_features(ecg))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``bce``, binary cross-entropy over recordings and classes, in float32 even under autocast."""
        assert batch.labels is not None
        return {"bce": binary_cross_entropy_with_logits(self.class_scores(batch.ecg).float(), batch.labels)}

    def rate_groups(self, lowest: float) -> list[dict[str, Any]]:
        """Return parameter groups: the first layer at `lowest` times the rate, then equal ratios up to the head."""
        count = len(self.layers)
        groups = [{"params": layer, "scale": lowest ** (1 - depth / count)} for depth, layer in enumerate(self.layers)]
        return [*groups, {"params": [*self.head.parameters()], "scale": 1.0}]


def _split_by_depth(method: Method, module: nn.Module, sample: Tensor) -> tuple[list[list[nn.Parameter]], int]:
    """Return the weights that the features depend on, by depth, and the size of the features; freeze all other weights.

    Weights of a module that is never called itself (the method's own, say) count as part of the first layer.
    """
    order: list[nn.Module] = []  # of the calls
    owners = [part for part in module.modules() if next(part.parameters(recurse=False), None) is not None]
    hooks = [part.register_forward_pre_hook(lambda part, _: order.append(part)) for part in owners]
    module.requires_grad_(True).zero_grad(set_to_none=True)
    features = method.ecg_features(sample)
    if features.requires_grad:
        features.sum().backward()
    for hook in hooks:
        hook.remove()
    trainable = {weight for weight in module.parameters() if weight.grad is not None}
    for weight in module.parameters():
        weight.requires_grad_(weight in trainable)
    if not trainable:
        raise BenchmarkError(
            f"no weight of {type(method).__name__} takes part in its features: there is nothing to fine-tune"
        )
    calls = list(dict.fromkeys(order))
    outside = [part for part in owners if part not in calls]
    weights = [list(_own_weights(part, trainable)) for part in calls]
    rest = [weight for part in outside for weight in _own_weights(part, trainable)]
    layers = [layer for layer in weights if layer]
    module.zero_grad(set_to_none=True)
    return [[*rest, *layers[0]], *layers[1:]] if layers else [rest], features.shape[1]


def _own_weights(module: nn.Module, trainable: set[nn.Parameter]) -> Iterator[nn.Parameter]:
    """Yield the weights of a module itself that are in `trainable`; a shared weight is yielded once."""
    for weight in module.parameters(recurse=False):
        if weight in trainable:
            trainable.discard(weight)
            yield weight
