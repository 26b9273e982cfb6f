"""Masks of the patches of a 12-lead recording, in space (whole leads) and in time.

Only two of the six limb leads are independent: III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2,
aVF = II - I / 2. If two limb leads are visible at an instant, simple arithmetic gives any hidden one, and its
reconstruction teaches nothing. `limb` says whether this is prevented:

``free``      each lead on its own, as published methods mask
``together``  the limb leads share their hidden instants, and are hidden as whole leads all together
``one``       at each instant exactly one of the limb leads is visible

Every recording of a batch has the same number of visible patches, so that they form a dense batch. Random numbers come
from torch's CPU generator on every device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LIMB, CHEST = 6, 6  # I II III aVR aVL aVF, then V1-V6
MODES = ("st", "st_sync", "random", "temporal", "spatial")
LIMB_RULES = ("free", "together", "one")


class HiddenShares(NamedTuple):
    """The hidden shares: of whole leads, of the instants of the other leads, and whether leads share these instants."""

    leads: float
    times: float
    sync: bool


def hidden_shares(mode: str, lead_ratio: float, time_ratio: float) -> HiddenShares:
    """Return the hidden shares of a mode; all modes hide ``1 - (1 - lead_ratio) (1 - time_ratio)`` of the patches.

    ``st`` hides whole leads, and instants of each other lead; ``st_sync`` the same instants in all leads; ``random``
    instants of each lead and no whole lead (ST-MEM); ``temporal`` instants of all leads; ``spatial`` whole leads.
    """
    total = 1 - (1 - lead_ratio) * (1 - time_ratio)
    return {
        "st": HiddenShares(lead_ratio, time_ratio, False),
        "st_sync": HiddenShares(lead_ratio, time_ratio, True),
        "random": HiddenShares(0.0, total, False),
        "temporal": HiddenShares(0.0, total, True),
        "spatial": HiddenShares(total, 0.0, True),
    }[mode]


def draw_visible(batch: int, patches: int, shares: HiddenShares, limb: str = "free") -> Tensor:
    """Draw which patches are visible, ``(batch, lead, patch)`` bool, with the same number in each recording."""
    count = max(1, patches - round(shares.times * patches))
    common = _draw_subset((batch, 1, patches), count) if shares.sync else None
    if limb == "free":
        return _draw_scattered(batch, LIMB + CHEST, patches, shares.leads, count, common)
    if limb == "together":  # one draw for the batch, since the number of visible patches depends on it
        instants = _draw_subset((batch, 1, patches), count) if common is None else common
        hidden = bool(torch.rand(()) < shares.leads)
        limbs = torch.zeros(batch, LIMB, patches, dtype=torch.bool) if hidden else instants.expand(-1, LIMB, -1)
    else:
        draws = 1 if shares.leads and not shares.times else patches  # whole leads alone: the same one at each instant
        visible_limb = torch.randint(LIMB, (batch, 1, draws)).expand(-1, -1, patches)
        limbs = torch.arange(LIMB)[:, None] == visible_limb
        limbs = limbs if common is None else limbs & common
    return torch.cat([limbs, _draw_scattered(batch, CHEST, patches, shares.leads, count, common)], dim=1)


def _draw_scattered(batch: int, leads: int, patches: int, ratio: float, count: int, common: Tensor | None) -> Tensor:
    """Hide some leads as a whole and show `count` instants of each other one: ``(batch, leads, patches)`` bool."""
    visible_leads = max(1, leads - round(ratio * leads))
    instants = _draw_subset((batch, leads, patches), count) if common is None else common
    return _draw_subset((batch, leads), visible_leads).unsqueeze(-1) & instants


def _draw_subset(shape: tuple[int, ...], count: int) -> Tensor:
    """Draw exactly `count` True in the last dimension, independently for each row."""
    return torch.rand(shape).argsort(-1).argsort(-1) < count
