"""W2V + CMSC + RLM: wav2vec 2.0 and contrast between segments, with leads masked at random (Oh et al., CHIL 2022).

Oh et al., "Lead-agnostic Self-supervised Learning for Local and Global Representations of Electrocardiogram", CHIL
2022, arXiv 2203.06889 (the objective of ECG-FM: McKeen et al., arXiv 2408.05178); CMSC is Kiyasseh et al.'s (CLOCS,
ICML 2021).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod
from benchmark.registry import METHODS
from methods.nn.fairseq_files import our_names, without_classifier
from methods.nn.lead_masking import mask_leads
from methods.nn.transfer import hand_over, true_positions
from methods.nn.two_views import nt_xent_loss
from methods.nn.w2v_cmsc_rlm.quantised_contrast import Quantiser, ScaleGradient, contrastive_loss, mask_spans
from methods.nn.wav2vec import Convolutions, Positions, Transformer


@METHODS.register("w2v_cmsc_rlm")
class W2VCMSCRLM(nn.Module, SequenceMethod, TrainableMethod):
    """W2V + CMSC + RLM at base size: 500 Hz, segments of half a recording, 4 stem layers, 768 wide, 12 deep.

    Recordings are always processed as two halves, the length of training. `lead_drop` is the probability of each lead
    to be masked in training. `final` is the number of channels in which targets are compared, `entries` and `groups`
    are the size of the codebooks. The temperature of the choice among codes falls from `warm` to `cool` by the factor
    `cooling` per step. With `cmsc_masked` CMSC compares the features of the pass with hidden tokens, as the release
    does; without it, those of a second pass that sees every token.
    """

    updates: Tensor
    needs_reports = False
    smallest_batch = 2
    card: ClassVar[MethodCard] = MethodCard(
        title="W2V + CMSC + RLM",
        paper="Oh et al., CHIL 2022 (arXiv 2203.06889)",
        licence="MIT",
        note=(
            "Re-implementation. Positives of CMSC are the halves of one recording; other recordings of its patient, "
            "positives in the paper, are negatives here. Its features for CMSC come from a second pass without hidden "
            "tokens; the official ones come from the masked pass (cmsc_masked = true). It uses no reports."
        ),
    )

    def __init__(
        self,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        channels: int = 256,
        stem: int = 4,
        positions: int = 128,
        position_groups: int = 16,
        rate: float = 500.0,
        seconds: float = 10.0,
        scaling: Scaling = "zscore_lead",
        dropout: float = 0.1,
        lead_drop: float = 0.5,
        mask_probability: float = 0.65,
        mask_length: int = 10,
        negatives: int = 100,
        temperature: float = 0.1,
        final: int = 256,
        entries: int = 320,
        groups: int = 2,
        warm: float = 2.0,
        cool: float = 0.5,
        cooling: float = 0.999995,
        diversity: float = 0.1,
        penalty: float = 10.0,
        stem_gradient: float = 0.1,
        cmsc_masked: bool = False,
    ) -> None:
        super().__init__()
        self._signal = SignalSpec(rate, seconds, scaling=scaling)
        self.lead_drop, self.mask_probability, self.mask_length = lead_drop, mask_probability, mask_length
        self.negatives, self.temperature = negatives, temperature
        self.warm, self.cool, self.cooling = warm, cool, cooling
        self.diversity, self.penalty, self.stem_gradient = diversity, penalty, stem_gradient
        self.cmsc_masked = cmsc_masked
        self.feature_extractor = Convolutions(len(self._signal.leads), channels, stem)
        self.layer_norm = nn.LayerNorm(channels)
        self.post_extract_proj = nn.Linear(channels, width)
        self.dropout = nn.Dropout(dropout)
        self.mask_emb = nn.Parameter(torch.rand(width))
        self.conv_pos = Positions(width, positions, position_groups)
        self.encoder = Transformer(width, depth, heads, dropout)
        self.quantizer = Quantiser(channels, final, entries, groups)
        self.project_q, self.final_proj = nn.Linear(final, final), nn.Linear(width, final)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @property
    def signal(self) -> SignalSpec:
        """Officially 5 s segments at 500 Hz, each lead standardised; here both halves of 10 s."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the mean over the tokens of both halves: ``(batch, lead, time)`` -> ``(batch, width)``."""
        return self.ecg_tokens(ecg).mean(1)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return the tokens ``(batch, lead, time)`` -> ``(batch, token, width)``.

        Those of the first half come before those of the second.
        """
        encoded = self._encode(self._embed(self._extract(split_halves(ecg))))
        return encoded.unflatten(0, (2, -1)).transpose(0, 1).flatten(1, 2)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``w2v`` with its ``diversity`` and feature ``penalty``, and ``cmsc``, of equal weight."""
        stem = self._extract(split_halves(mask_leads(batch.ecg, self.lead_drop) if self.training else batch.ecg))
        tokens = self._embed(stem)
        spans = mask_spans(len(tokens), tokens.shape[1], self.mask_probability, self.mask_length)
        hidden, positions = hand_over(spans, tokens.device), true_positions(spans, tokens.device)
        masked = self._encode(torch.where(hidden.unsqueeze(-1), self.mask_emb.to(tokens.dtype), tokens))
        predicted = self.final_proj(masked.flatten(0, 1)[positions]).unflatten(0, (len(tokens), -1))
        inputs = self.dropout(self.layer_norm(stem)).flatten(0, 1)[positions]
        quantised = self.quantizer(inputs.unflatten(0, (len(tokens), -1)), self.code_temperature)
        targets = self.project_q(quantised.codes)
        code_count = self.quantizer.groups * self.quantizer.entries
        first, second = (masked if self.cmsc_masked else self._encode(tokens)).mean(1).chunk(2)
        return {
            "w2v": contrastive_loss(predicted, targets, self.negatives, self.temperature),
            "diversity": self.diversity * (code_count - quantised.perplexity) / code_count,
            "penalty": self.penalty * stem.float().square().mean(),
            "cmsc": nt_xent_loss(first, second, self.temperature),
        }

    @property
    def code_temperature(self) -> Tensor:
        """The quantiser's current temperature ``()``, which falls with the number of updates, on their device."""
        return (self.warm * self.cooling ** self.updates.double()).clamp(min=self.cool)

    def after_step(self) -> None:
        """Count the update, which lowers the quantiser's temperature."""
        self.updates += 1

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add the number of updates, which official files lack; their weight norm may have older or newer names.

        A fine-tuned file lacks what only pre-training reads (`methods.ecg_fm` reads its encoder).
        """
        return {"updates": torch.zeros((), dtype=torch.long), **our_names(without_classifier(state))}

    def _extract(self, segments: Tensor) -> Tensor:
        """Map segments ``(segment, lead, time)`` to ``(segment, token, channel)``, with a scaled gradient."""
        maps = self.feature_extractor(segments)
        return ScaleGradient.apply(maps, self.stem_gradient).transpose(1, 2)

    def _embed(self, stem: Tensor) -> Tensor:
        """Map ``(segment, token, channel)`` to ``(segment, token, width)``."""
        return self.dropout(self.post_extract_proj(self.layer_norm(stem)))

    def _encode(self, tokens: Tensor) -> Tensor:
        """Map ``(segment, token, width)`` to states of the same shape."""
        return self.encoder(tokens + self.conv_pos(tokens))


def split_halves(ecg: Tensor) -> Tensor:
    """Split ``(batch, lead, time)``: all first halves, then all second ones, ``(2 * batch, lead, time // 2)``."""
    half = ecg.shape[-1] // 2
    return torch.cat([ecg[..., :half], ecg[..., half : 2 * half]])
