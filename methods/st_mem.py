"""ST-MEM: masked auto-encoding that hides three quarters of the patches of every lead (Na et al., ICLR 2024).

Na et al., "Guiding Masked Representation Learning to Capture Spatio-Temporal Relationship of Electrocardiogram",
ICLR 2024, arXiv 2402.09450. The hidden patches are reconstructed from the visible ones of all leads.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod, Weights
from benchmark.errors import UsageError, check_choice, raise_all
from benchmark.registry import METHODS
from methods.nn.fold import copy_for_inference
from methods.nn.st_mem.masked_vit import LeadwiseDecoder, SpatioTemporalViT, reconstruction_loss
from methods.nn.st_mem.official_input import STEPS, OfficialInput
from methods.nn.xavier import init_xavier

ALIAS = "to_patch_embedding."  # the official class registers the encoder's patch embedding a second time


@METHODS.register("st_mem")
class STMEM(nn.Module, SequenceMethod, TrainableMethod):
    """ST-MEM; the defaults are the official base size: 250 Hz, 9 s, patches of 75 samples, 768 wide, 12 deep.

    `decoder_depth` 0 leaves the decoder out: features only, for official encoder files. With `standardise` the target
    of each patch is its standardised form. `band_pass` is in Hz, None for none.

    `preparation` ``"official"`` resamples a recording of `record_seconds` by the Fourier method, takes a crop of
    `seconds`, and filters and standardises that crop. Features are then the mean over `crops` of them, at 0, 0.5 and 1
    s of 10 s. Pre-training and tokens read the first crop. ``"filter_first"``, this project's form before, filters the
    whole recording at its own rate, resamples by a polyphase filter, and reads the first `seconds` only.
    """

    needs_reports = False
    precisions = ("fp32", "bf16")
    readout_options = ("crops",)
    first_defaults: ClassVar[dict[str, str]] = {"preparation": "filter_first"}
    card: ClassVar[MethodCard] = MethodCard(
        title="ST-MEM",
        paper="Na et al., ICLR 2024 (arXiv 2402.09450)",
        licence="MIT; official code and weights CC BY-NC 4.0, their README: all rights reserved",
        trained_on=("csn", "code15"),
        weights={
            tag: Weights("the README of bakqui/ST-MEM", "", "CC BY-NC 4.0, README: all rights reserved", file)
            for tag, file in {"encoder": "st_mem_vit_base_encoder.pth", "full": "st_mem_vit_base_full.pth"}.items()
        },
        note=(
            "Re-implementation; trained_on describes the published weights, whose names the encoder carries. It uses "
            "no reports. Evaluation reads three crops of 9 s, as the released code does, but averages features, not "
            "logits. Pre-training reads the first crop; what the authors' read is not known."
        ),
    )

    def __init__(
        self,
        width: int = 768,
        depth: int = 12,
        patch: int = 75,
        rate: float = 250.0,
        seconds: float = 9.0,
        scaling: Scaling = "zscore_record",
        band_pass: tuple[float, float] | None = (0.67, 40.0),
        mask_ratio: float = 0.75,
        standardise: bool = True,
        decoder_width: int = 256,
        decoder_depth: int = 4,
        preparation: Literal["official", "filter_first"] = "official",
        record_seconds: float = 10.0,
        crops: int = 3,
    ) -> None:
        super().__init__()
        check_choice("st_mem", "preparation", preparation, ("official", "filter_first"))
        problems = [] if 0 < mask_ratio < 1 else [f"mask_ratio = {mask_ratio} must lie between 0 and 1"]
        self._signal, self.official = SignalSpec(rate, seconds, scaling=scaling, band_pass=band_pass), None
        samples = self._signal.samples
        if preparation == "official":
            problems += _official_problems(self._signal, record_seconds, crops)
        raise_all(problems, "st_mem cannot be built with these options:")
        if preparation == "official":
            self._signal = SignalSpec(rate, record_seconds, resampling="fourier")
            self.official = OfficialInput(samples, rate, band_pass)
        self.mask_ratio, self.standardise, self.crops = mask_ratio, standardise, crops
        self.encoder = SpatioTemporalViT(samples, patch, len(self._signal.leads), width, depth)
        self.decoder: LeadwiseDecoder | None = None
        if decoder_depth:
            self.decoder = LeadwiseDecoder(width, self.encoder.patches, patch, decoder_width, decoder_depth)
        self.apply(init_xavier)

    @property
    def signal(self) -> SignalSpec:
        """Officially 10 s at 250 Hz, from which the method itself takes, filters and standardises crops of 9 s."""
        return self._signal

    def prepare(self, ecg: Tensor, crops: int = 1) -> list[Tensor]:
        """Return what the network reads of recordings ``(batch, lead, time)``: crops ``(batch, lead, samples)``."""
        return [ecg] if self.official is None else self.official.crops(ecg, crops)

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the normalised mean over leads and patches: ``(batch, lead, time)`` -> ``(batch, width)``.

        Of several crops, the mean of their features.
        """
        vectors = [self.encoder.norm(self.encoder(crop).mean((1, 2))) for crop in self.prepare(ecg, self.crops)]
        return torch.stack(vectors).mean(0).to(ecg.dtype)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return one token per lead and patch: ``(batch, lead, time)`` -> ``(batch, lead * patch, width)``."""
        (crop,) = self.prepare(ecg)
        return self.encoder.norm(self.encoder(crop)).flatten(1, 2).to(ecg.dtype)

    def for_inference(self, precision: str) -> STMEM:
        """Return a copy with the encoder in `precision`."""
        return copy_for_inference(self, precision)

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the entries of official files and select those of this configuration.

        Such files hold the whole model (decoder at the top level), or the encoder alone without its prefix.
        """
        if any(name.startswith("decoder.") for name in state):
            return state  # a file of this project
        if not any(name.startswith("encoder.") for name in state):
            return {f"encoder.{name}": value for name, value in state.items() if not name.startswith("head.")}
        entries = {name: value for name, value in state.items() if not name.startswith((ALIAS, "encoder.head."))}
        encoder = {name: value for name, value in entries.items() if name.startswith("encoder.")}
        decoder = {f"decoder.{name}": value for name, value in entries.items() if not name.startswith("encoder.")}
        return {**encoder, **decoder} if self.decoder else encoder

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error over hidden patches (``reconstruction``)."""
        if self.decoder is None:
            raise UsageError("st_mem cannot be pre-trained with decoder_depth = 0")
        (ecg,) = self.prepare(batch.ecg)
        masked = self.encoder.encode_visible(ecg, self.mask_ratio)
        patches = self.encoder.patchify(ecg)
        return {"reconstruction": reconstruction_loss(self.decoder(masked), patches, masked.hidden, self.standardise)}


def _official_problems(crop: SignalSpec, record_seconds: float, crops: int) -> list[str]:
    """List options that the official preparation cannot use; `crop` is the specification of one crop."""
    problems = [] if 1 <= crops <= STEPS + 1 else [f"crops is {crops}, it must lie in 1..{STEPS + 1}"]
    if record_seconds < crop.seconds:
        problems.append(f"record_seconds is {record_seconds:g}, a crop of {crop.seconds:g} s (seconds) needs as many")
    if crop.scaling != "zscore_record":
        problems.append(
            f"scaling = {crop.scaling!r} needs preparation = 'filter_first': officially crops are zscore_record"
        )
    if crop.band_pass and not 0 < crop.band_pass[0] < crop.band_pass[1] < crop.rate / 2:
        problems.append(f"band_pass is {crop.band_pass}, it must rise from above 0 to below {crop.rate / 2:g} Hz")
    return problems
