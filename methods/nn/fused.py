"""Blocks for inference on a CPU that compute activations and residuals within the product before them.

A separate ReLU, GELU or addition reads and writes every value once more. oneDNN does it while the product is still in
registers ("post-ops"). torch 2.x offers this to its compiler alone, as ``torch.ops.mkldnn``, and many clusters have no
compiler. These blocks equal those that they replace up to rounding; they have no backward pass.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.resnet1d import BasicBlock, Conv
from methods.nn.vit1d import HEAD, Block

M = TypeVar("M", bound=nn.Module)
OPERATIONS = ("_convolution_pointwise", "_convolution_pointwise_", "_linear_pointwise")


def can_fuse(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this build of torch has the fused products for `device`, and the device supports `dtype` in them."""
    on_cpu = device.type == "cpu" and torch.backends.mkldnn.is_available()
    if on_cpu and dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False  # with AVX2 alone plain layers compute in bf16, but fused products raise
    return on_cpu and all(hasattr(torch.ops.mkldnn, name) for name in OPERATIONS)


def fuse_blocks(encoder: nn.Module) -> None:
    """Replace, in place, residual and transformer blocks; batch norms must be folded before."""
    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BasicBlock):
                setattr(parent, name, FusedBasicBlock(child))
            elif isinstance(child, Block):
                setattr(parent, name, FusedBlock(child))


def require_type(module: nn.Module, kind: type[M]) -> M:
    """Return `module`; raises TypeError unless it is of that kind."""
    if not isinstance(module, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(module).__name__}")
    return module


class FusedConv(nn.Module):
    """A folded `Conv` with an activation ("relu" or "none"), over ``(batch, channel, 1, time)``."""

    def __init__(self, conv: Conv, activation: str) -> None:
        super().__init__()
        weight = conv.weight.detach().unsqueeze(2).contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias, self.activation = conv.bias, activation
        # padding, stride, dilation, groups
        self.geometry: Any = ([0, int(conv.padding[0])], [1, conv.stride[0]], [1, 1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, 1, time)`` to ``(batch, channel', 1, time')``."""
        output: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, self.activation, [], ""
        )
        return output

    def add_relu_(self, same: Tensor, x: Tensor) -> Tensor:
        """Return ``relu(same + conv(x))``, written over `same`."""
        output: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            same, x, self.weight, self.bias, *self.geometry, "add", 1.0, "relu", [], None
        )
        return output


class FusedBasicBlock(nn.Module):
    """A residual block as at most three products."""

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.first, self.second = FusedConv(block.conv1, "relu"), FusedConv(block.conv2, "none")
        self.shortcut: FusedConv | None = None
        if len(block.shortcut):
            self.shortcut = FusedConv(require_type(block.shortcut[0], Conv), "none")

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, 1, time)``; writes over `x` where it is the shortcut and is not read again."""
        inner = self.first(x)
        return self.second.add_relu_(x if self.shortcut is None else self.shortcut(x), inner)


class FusedLinear(nn.Module):
    """A linear layer with an activation ("gelu" or "none")."""

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        self.weight, self.bias, self.activation = linear.weight, linear.bias, activation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., inputs)`` to ``(..., outputs)``."""
        algorithm = "none" if self.activation == "gelu" else ""  # "none" is the exact GELU, not the one with tanh
        output: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, self.activation, [], algorithm)
        return output

    def add(self, x: Tensor, same: Tensor) -> Tensor:
        """Return ``same + linear(x)``."""
        output: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, same, self.weight, self.bias, "add")
        return output


class FusedBlock(nn.Module):
    """A pre-norm transformer block without dropout and mask."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        attention, layers = block.attn.fn, block.ff.fn.net
        self.norm1, self.norm2, self.heads = block.attn.norm, block.ff.norm, attention.heads
        self.qkv, self.out = FusedLinear(attention.to_qkv), FusedLinear(require_type(attention.to_out[0], nn.Linear))
        self.up = FusedLinear(require_type(layers[0], nn.Linear), "gelu")
        self.down = FusedLinear(require_type(layers[3], nn.Linear))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, HEAD)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.out.add(mixed, x)
        return self.down.add(self.up(self.norm2(x)), x)
