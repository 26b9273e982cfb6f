"""ST-MEM: masked auto-encoding that hides three quarters of the patches of every lead (Na et al., ICLR 2024).

Na et al., "Guiding Masked Representation Learning to Capture Spatio-Temporal Relationship of Electrocardiogram",
ICLR 2024, arXiv 2402.09450. The hidden patches are reconstructed from the visible ones of all leads.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from benchmark.api import Batch, MethodCard, Scaling, SequenceMethod, SignalSpec, TrainableMethod, Weights
from benchmark.errors import UsageError
from benchmark.registry import METHODS
from methods.nn.fold import copy_for_inference
from methods.nn.st_mem.masked_vit import LeadwiseDecoder, SpatioTemporalViT, reconstruction_loss
from methods.nn.xavier import init_xavier

ALIAS = "to_patch_embedding."  # the official class registers the encoder's patch embedding a second time


@METHODS.register("st_mem")
class STMEM(nn.Module, SequenceMethod, TrainableMethod):
    """ST-MEM; the defaults are the official base size: 250 Hz, 9 s, patches of 75 samples, 768 wide, 12 deep.

    `decoder_depth` 0 leaves the decoder out: features only, for official encoder files. With `standardise` the target
    of each patch is its standardised form. `band_pass` is in Hz, None for none.
    """

    needs_reports = False
    precisions = ("fp32", "bf16")
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
            "no reports. The paper does not say which 9 s of a 10 s recording are used; here they are the first."
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
    ) -> None:
        super().__init__()
        if not 0 < mask_ratio < 1:
            raise UsageError(f"st_mem: mask_ratio = {mask_ratio} must lie between 0 and 1")
        self._signal = SignalSpec(rate, seconds, scaling=scaling, band_pass=band_pass)
        self.mask_ratio, self.standardise = mask_ratio, standardise
        self.encoder = SpatioTemporalViT(self._signal.samples, patch, len(self._signal.leads), width, depth)
        self.decoder: LeadwiseDecoder | None = None
        if decoder_depth:
            self.decoder = LeadwiseDecoder(width, self.encoder.patches, patch, decoder_width, decoder_depth)
        self.apply(init_xavier)

    @property
    def signal(self) -> SignalSpec:
        """Officially 9 s at 250 Hz, 0.67 to 40 Hz, each recording standardised as a whole."""
        return self._signal

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return the normalised mean over leads and patches: ``(batch, lead, time)`` -> ``(batch, width)``."""
        return self.encoder.norm(self.encoder(ecg).mean((1, 2))).to(ecg.dtype)

    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Return one token per lead and patch: ``(batch, lead, time)`` -> ``(batch, lead * patch, width)``."""
        return self.encoder.norm(self.encoder(ecg)).flatten(1, 2).to(ecg.dtype)

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
        masked = self.encoder.encode_visible(batch.ecg, self.mask_ratio)
        patches = self.encoder.patchify(batch.ecg)
        return {"reconstruction": reconstruction_loss(self.decoder(masked), patches, masked.hidden, self.standardise)}
