"""The layers of `benchmark.api.Layer`: their demands on a method, and the shortening of token sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.api import AlignedMethod, Method, SequenceMethod

if TYPE_CHECKING:
    from torch import Tensor

POOLED_LAYERS = ("features", "embeddings", "tokens")  # one vector per recording: what a probe can take
SEQUENCES = ("sequence", "short_sequence")
SHORT = 64  # tokens of a short sequence at most, in float16


def layer_missing(layer: str, method: type[Method]) -> str | None:
    """Return a sentence when methods of that class do not have that layer, else None."""
    if layer == "embeddings" and not issubclass(method, AlignedMethod):
        return f"{method.__name__} has no embeddings in a space shared with text"
    if layer in ("tokens", *SEQUENCES) and not issubclass(method, SequenceMethod):
        return f"{method.__name__} gives no tokens"
    return None


def shortened(tokens: Tensor, most: int) -> Tensor:
    """Shorten ``(batch, token, dim)`` to at most `most` tokens, each the mean of neighbours."""
    if tokens.shape[1] <= most:
        return tokens
    from torch.nn.functional import adaptive_avg_pool1d

    return adaptive_avg_pool1d(tokens.transpose(1, 2), most).transpose(1, 2)
