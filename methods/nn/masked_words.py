"""Masked language modelling (Devlin et al., NAACL 2019): hide words and predict them from the rest."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.nn.transfer import hand_over

EPSILON = 1e-12  # of BERT's layer norms
IGNORED = -100  # the label of a word that is not to be predicted


def mask_words(
    ids: Tensor, special: tuple[int, ...], mask_id: int, words: int, ratio: float = 0.25
) -> tuple[Tensor, Tensor]:
    """Hide words in token ids ``(batch, token)``; return the new ids and the labels, `IGNORED` for words not hidden.

    Each word except the `special` ones is selected with probability `ratio`. Of the selected words, 80 % become
    `mask_id`, 10 % any of the first `words` ids, and 10 % stay. Random numbers come from torch's CPU generator on every
    device.
    """
    real = ~torch.isin(ids, hand_over(torch.tensor(special), ids.device))
    selected_words = real & hand_over(torch.rand(ids.shape) < ratio, ids.device)
    fate = hand_over(torch.rand(ids.shape), ids.device)
    random_ids = hand_over(torch.randint(words, ids.shape), ids.device)
    hidden = torch.where(fate < 0.8, torch.full_like(ids, mask_id), torch.where(fate < 0.9, random_ids, ids))
    return torch.where(selected_words, hidden, ids), torch.where(selected_words, ids, torch.full_like(ids, IGNORED))


class MaskedWordHead(nn.Module):
    """BERT's output head, not tied to an embedding: ``(..., width)`` -> logits ``(..., words)``."""

    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.transform = nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, EPSILON)})
        self.decoder = nn.Linear(width, words, bias=False)
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, states: Tensor) -> Tensor:
        """Map states ``(..., width)`` to logits ``(..., words)``."""
        x = self.transform["LayerNorm"](F.gelu(self.transform["dense"](states)))
        return self.decoder(x) + self.bias

    def losses(self, states: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of each labelled word, ``(words to predict,)``.

        States ``(batch, token, width)`` and labels ``(batch, token)``. Nothing waits where the labels are on the CPU.
        """
        labels = labels.flatten()
        positions = (labels != IGNORED).nonzero().squeeze(1)
        chosen_states = states.flatten(0, 1)[hand_over(positions, states.device)]
        targets = hand_over(labels[positions], states.device)
        return F.cross_entropy(self.forward(chosen_states).float(), targets, reduction="none")
