"""A wav2vec 2.0 encoder of ECG: strided convolutions, convolutional positions, a post-norm transformer.

Baevski et al., NeurIPS 2020, in the form of fairseq-signals for 12 leads (Oh et al., CHIL 2022), which C-MELT adopts;
parameters carry the names of the official checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor, nn

from methods.nn.attention import attend, project_together
from methods.nn.token_selection import select_tokens


class Wav2Vec(nn.Module):
    """An encoder in two steps: `embed` turns recordings into patches, `encode` turns any tokens into states.

    Each of the `convolutions` halves the rate, so a patch is ``2 ** convolutions`` samples. Positions come from a
    convolution over `position_kernel` patches, before any patch is hidden.
    """

    def __init__(
        self,
        width: int = 768,
        depth: int = 8,
        heads: int = 12,
        channels: int = 256,
        convolutions: int = 4,
        position_kernel: int = 128,
        position_groups: int = 16,
        leads: int = 12,
        dropout: float = 0.1,
        initial_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.patch = 2**convolutions
        self.feature_extractor = Convolutions(leads, channels, convolutions)
        self.layer_norm = nn.LayerNorm(channels)
        self.post_extract_proj = nn.Linear(channels, width)
        self.dropout_input = nn.Dropout(dropout)
        self.conv_pos = Positions(width, position_kernel, position_groups)
        self.encoder = Transformer(width, depth, heads, dropout)
        for module in (self.post_extract_proj, self.encoder):
            init_bert_weights(module, width, initial_gain)

    def embed(self, ecg: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return patches with their positions: ``(batch, lead, time)`` -> ``(batch, time // patch, width)``.

        With `visible` ``(batch, n)`` it returns the patches at these places alone: ``(batch, n, width)``.
        """
        patches = self.layer_norm(self.feature_extractor(ecg).transpose(1, 2))
        x = self.dropout_input(self.post_extract_proj(patches))
        return (x if visible is None else select_tokens(x, visible)) + self.conv_pos(x, visible)

    def encode(self, tokens: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to states of the same shape."""
        return self.encoder(tokens)


class Convolutions(nn.Module):
    """Strided convolutions: ``(batch, lead, time)`` -> ``(batch, channels, time // 2 ** layers)``.

    The first layer is normalised per channel over the whole time. This makes the encoder blind to the gain of the whole
    recording and to an offset of each lead.
    """

    def __init__(self, leads: int, channels: int, layers: int) -> None:
        super().__init__()
        inputs = [leads] + [channels] * (layers - 1)
        self.conv_layers = nn.ModuleList()
        for index, size in enumerate(inputs):
            convolution = nn.Conv1d(size, channels, 2, stride=2, bias=False)
            nn.init.kaiming_normal_(convolution.weight)
            # layers are numbered as in the official class, where 1 is a dropout of rate 0
            parts: list[nn.Module] = [convolution, nn.Identity()]
            parts += [nn.GroupNorm(channels, channels), nn.GELU()] if index == 0 else [nn.GELU()]
            self.conv_layers.append(nn.Sequential(*parts))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, channels, time // 2 ** layers)``."""
        for layer in self.conv_layers:
            x = layer(x)
        return x


class Positions(nn.Module):
    """Relative positions by a wide grouped convolution: ``(batch, patch, width)`` -> the same shape."""

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(WeightNormConvolution(width, kernel, groups))
        self.even = kernel % 2 == 0

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Map ``(batch, patch, width)`` to the same shape, or to the positions of the patches `visible` alone."""
        y = self.pos_conv(x.transpose(1, 2))
        y = (y[..., :-1] if self.even else y).transpose(1, 2)
        return F.gelu(y if visible is None else select_tokens(y, visible))


class WeightNormConvolution(nn.Module):
    """A convolution whose weight has direction ``weight_v`` and, per tap, length ``weight_g``.

    It is computed as a product of spectra. With 128 taps for 312 patches this is several times faster than a sliding
    kernel, on a CPU and on a GPU (where grouped convolutions run one group after the other).
    """

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups, self.padding = groups, kernel // 2
        self.bias = nn.Parameter(torch.zeros(width))
        self.weight_v = nn.Parameter((4 / (kernel * width)) ** 0.5 * torch.randn(width, width // groups, kernel))
        self.weight_g = nn.Parameter(self.weight_v.detach().norm(dim=(0, 1), keepdim=True))  # (1, 1, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, width, patch)`` to the same shape, with one patch more where the kernel is even."""
        weight = self.weight_v * (self.weight_g / self.weight_v.norm(dim=(0, 1), keepdim=True))
        return grouped_convolution(x, weight, self.padding, self.groups) + self.bias.unsqueeze(-1)


def grouped_convolution(x: Tensor, weight: Tensor, padding: int, groups: int) -> Tensor:
    """Compute ``F.conv1d(x, weight, padding=padding, groups=groups)`` by fast Fourier transform, at least in float32.

    `x` ``(batch, channel, time)``, `weight` ``(channel, channel / groups, tap)``, `padding` below the number of taps.
    """
    kind = torch.promote_types(x.dtype, torch.float32)  # there is no Fourier transform of bf16
    time, taps = x.shape[-1], weight.shape[-1]
    size = next_fast_len(time + taps - 1, real=True)  # long enough that nothing wraps around
    signal = torch.fft.rfft(x.to(kind), size).unflatten(1, (groups, -1))  # (batch, group, in, frequency)
    kernel = torch.fft.rfft(weight.to(kind).flip(-1), size).unflatten(0, (groups, -1))  # (group, out, in, frequency)
    product = torch.einsum("bgif,goif->bgof", signal, kernel).flatten(1, 2)
    return torch.fft.irfft(product, size)[..., taps - 1 - padding : time + padding]


class Transformer(nn.Module):
    """Layers with the norm after each residual: the first norm comes before all layers, and none after them."""

    def __init__(self, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        x = self.dropout(self.layer_norm(x))
        for layer in self.layers:
            x = layer(x)
        return x


class Layer(nn.Module):
    """Self-attention and feed-forward, with a norm after each residual."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width, heads, dropout)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        x = self.self_attn_layer_norm(x + self.dropout(self.self_attn(x)))
        return self.final_layer_norm(x + self.dropout(self.fc2(F.gelu(self.fc1(x)))))


class SelfAttention(nn.Module):
    """Multi-head self-attention: ``(batch, token, width)`` -> the same shape."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, token, width)`` to the same shape."""
        projections = project_together(x, self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in projections)
        mixed = attend(q, k, v, dropout=self.dropout if self.training else 0.0)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


def init_bert_weights(module: nn.Module, width: int, gain: float = 1.0) -> None:
    """Initialise with BERT's normal weights: standard deviation 0.02 at 768 channels, larger in narrower models.

    With 0.02 at 64 channels the class token of a post-norm model hardly depends on the patches, and nothing is learned.
    """
    std = gain * 0.02 * (768 / width) ** 0.5
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=std)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
        if isinstance(part, nn.MultiheadAttention):
            nn.init.normal_(part.in_proj_weight, std=std)
