"""The decoder that all encoders share: a GPT-2 whose layers also attend to the method's output for the recording.

GPT-2: Radford et al., 2019; with cross-attention to an encoder as in DERI's report generation (Chen et al., IJCAI 2025:
distilgpt2 and one projected vector), here to a sequence of tokens if the method has one. It is trained from scratch in
the suite's size, or starts from published weights; the cross-attention is new in either case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmark.engine import distributed
from benchmark.errors import MissingError, UsageError
from benchmark.reporting.tokeniser import ReportTokeniser, learn_tokeniser, published_tokeniser
from benchmark.weights.language_models import load_language_model, refuse_missing

SCRATCH = "scratch"
HEAD = "lm_head.weight"  # tied to the embeddings, so no file needs it
PARTS = 4  # of a batch on a CPU, sorted by length: most reports are short, and a few long ones would pad all


@dataclass(frozen=True)
class DecoderSize:
    """Size of a decoder: `weights` is ``scratch``, a hub id or a folder; the other fields are for ``scratch`` alone."""

    weights: str = SCRATCH
    layers: int = 4
    width: int = 192
    heads: int = 4
    vocabulary: int = 4096
    text_tokens: int = 64
    dropout: float = 0.1


class ReportDecoder(nn.Module):
    """Maps a recording's tokens, standardised by `mean` and `std` ``(dim,)``, to report text.

    With `moving`, for an encoder that is trained as well, each token is normalised by itself (LayerNorm) instead.
    Statistics from before the first step would not fit: in training, batch norms make the features of a fresh ResNet
    hundreds of times as large.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, gpt: Any, tokeniser: ReportTokeniser, mean: Tensor, std: Tensor, tokens: int, moving: bool = False
    ) -> None:
        super().__init__()
        self.gpt, self.tokeniser = gpt, tokeniser
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.norm = nn.LayerNorm(len(mean)) if moving else None
        self.project = nn.Linear(len(mean), gpt.config.n_embd)
        self.places = nn.Parameter(torch.zeros(tokens, gpt.config.n_embd))  # position embeddings

    def memory(self, tokens: Tensor) -> Tensor:
        """Return what the layers attend to, ``(batch, token, width)``, for ``(batch, token, dim)``."""
        if tokens.shape[1] > len(self.places):
            raise UsageError(f"a decoder for {len(self.places)} tokens of a recording was given {tokens.shape[1]}")
        standard = (tokens - self.mean) / self.std if self.norm is None else self.norm(tokens)
        return self.project(standard) + self.places[: tokens.shape[1]]

    def nll(self, tokens: Tensor, reports: list[str]) -> Tensor:
        """Return the negative log-likelihood of the reports, as a mean over the tokens of all processes."""
        ids = self.tokeniser.encode(reports)
        lengths = (ids[:, 1:] != self.tokeniser.pad).sum(1)
        parts = PARTS if tokens.device.type == "cpu" else 1
        order = lengths.argsort().tensor_split(min(parts, len(ids)))  # similar lengths need little padding
        total = torch.stack(
            [self._sum(tokens[rows.to(tokens.device)], ids[rows, : 1 + int(lengths[rows].max())]) for rows in order]
        ).sum()
        return total / distributed.mean(lengths.sum().to(total)).clamp(min=1)

    def _sum(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """Return the loss summed over the tokens ``(text, token)`` after the first; padding gets no output."""
        ids = ids.to(tokens.device)
        real = ids[:, 1:] != self.tokeniser.pad
        states = self.gpt.transformer(
            input_ids=ids[:, :-1],
            attention_mask=torch.ones_like(ids[:, :-1]),  # padding comes last, where the causal mask hides it
            encoder_hidden_states=self.memory(tokens),
            use_cache=False,
        ).last_hidden_state
        return cross_entropy(self.gpt.lm_head(states[real]).float(), ids[:, 1:][real], reduction="sum")


def make_decoder(
    size: DecoderSize, reports: list[str], mean: Tensor, std: Tensor, tokens: int, seed: int, moving: bool = False
) -> ReportDecoder:
    """Return a new decoder for recordings of `tokens` tokens; `seed` draws new weights. For `moving` see the class."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        gpt, tokeniser = _build_from_scratch(size, reports) if size.weights == SCRATCH else _load_published(size)
        return ReportDecoder(gpt, tokeniser, mean, std, tokens, moving)


def _build_from_scratch(size: DecoderSize, reports: list[str]) -> tuple[Any, ReportTokeniser]:
    from transformers import GPT2Config, GPT2LMHeadModel

    tokeniser = learn_tokeniser(reports, size.vocabulary, size.text_tokens)
    if size.width % size.heads:
        raise UsageError(f"width is {size.width}, it must be a multiple of heads, {size.heads}")
    config = GPT2Config(
        vocab_size=tokeniser.size,
        n_positions=size.text_tokens + 1,
        n_embd=size.width,
        n_layer=size.layers,
        n_head=size.heads,
        add_cross_attention=True,
        bos_token_id=tokeniser.bos,
        eos_token_id=tokeniser.eos,
        resid_pdrop=size.dropout,
        embd_pdrop=size.dropout,
        attn_pdrop=size.dropout,
    )
    return GPT2LMHeadModel(config), tokeniser


def _load_published(size: DecoderSize) -> tuple[Any, ReportTokeniser]:
    gpt, published, missing = load_language_model(
        "the decoder", size.weights, _model_class, f"decoder = {SCRATCH!r} needs no download"
    )
    refuse_missing("the decoder", size.weights, [key for key in missing if "cross" not in key and key != HEAD])
    if published.eos_token_id is None:
        raise MissingError(f"the decoder {size.weights!r}: its tokeniser has no token for the end of a text")
    if size.text_tokens + 1 > gpt.config.n_positions:
        raise UsageError(f"text_tokens is {size.text_tokens}; {size.weights} has {gpt.config.n_positions} positions")
    tokeniser = published_tokeniser(published, size.text_tokens)
    gpt.resize_token_embeddings(tokeniser.size, mean_resizing=False)
    return gpt.float(), tokeniser


def _model_class(config: Any) -> tuple[Any, dict[str, Any]]:
    from transformers import GPT2LMHeadModel

    if config.model_type != "gpt2":
        raise ValueError(f"it is a {config.model_type}, and the decoder must be a GPT-2")
    return GPT2LMHeadModel, {"add_cross_attention": True}
