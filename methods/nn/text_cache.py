"""A cache of a frozen text encoder's outputs: reports repeat, and so do epochs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from methods.nn.text_encoder import TextEncoder, TextOutput
from methods.nn.transfer import hand_over


class TextCache:
    """Outputs of distinct texts in main memory: ``(width,)`` per text, and with `tokens` also ``(token, width)``.

    A pooled vector of MedCPT takes 3 kB and its tokens about 100 kB per text, so methods that need no tokens store
    none. The cache is valid only while the encoder neither trains nor uses dropout; `clear` it when its weights change.

    On a CPU each text is read alone. Beside others its last bits would depend on these, and a resumed training, whose
    cache is empty, reads a text beside others than an undisturbed one did.
    """

    def __init__(self, tokens: bool, pad_to: int | None = None) -> None:
        self.tokens, self.pad_to = tokens, pad_to
        self._pooled: dict[str, Tensor] = {}
        self._states: dict[str, Tensor] = {}
        self._masks: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(self._pooled)

    def clear(self) -> None:
        """Remove all texts."""
        for part in (self._pooled, self._states, self._masks):
            part.clear()

    def encode(self, encoder: TextEncoder, texts: Sequence[str]) -> TextOutput:
        """Return the same as ``encoder(texts, pad_to)``; without `tokens` its tokens and mask are empty."""
        new_texts = [text for text in dict.fromkeys(texts) if text not in self._pooled]
        together = encoder.device.type != "cpu" or not encoder.words  # vectors of a package depend on no neighbour
        for group in [new_texts] if together and new_texts else [[text] for text in new_texts]:
            self._add(encoder, group)
        device = encoder.device
        pooled = hand_over(torch.stack([self._pooled[text] for text in texts]), device)
        if not self.tokens:
            no_tokens = pooled.new_zeros(len(texts), 0, pooled.shape[1])
            return TextOutput(pooled, no_tokens, no_tokens[..., 0].bool())
        states = hand_over(pad_sequence([self._states[text] for text in texts], batch_first=True), device)
        masks = hand_over(pad_sequence([self._masks[text] for text in texts], batch_first=True), device)
        return TextOutput(pooled, states, masks)

    def _add(self, encoder: TextEncoder, texts: list[str]) -> None:
        # tensors made in inference mode could not be used in a later training step; and a text that training in bf16
        # and zero-shot share must not depend on which of them came first
        whole = torch.autocast(encoder.device.type, enabled=False)
        with torch.inference_mode(False), torch.no_grad(), whole:
            output = encoder(texts, self.pad_to)
        for i, text in enumerate(texts):
            self._pooled[text] = output.pooled[i].cpu().clone()
            if self.tokens:
                rows = slice(None) if self.pad_to else output.mask[i]
                self._states[text] = output.tokens[i, rows].cpu().clone()
                self._masks[text] = output.mask[i, rows].cpu().clone()
