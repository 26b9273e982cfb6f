"""Which patches of a 12-lead recording are hidden, in space (whole leads) and in time.

Only two of the six limb leads are independent: III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2,
aVF = II - I / 2. A limb lead that is hidden while two others are visible at the same instant is thus given away
by arithmetic, and reconstructing it teaches nothing. `limb` closes that hole or leaves it open:

``free``      each lead for itself, as published methods mask
``together``  the limb leads share their hidden instants, and are hidden as whole leads all together
``one``       at each instant exactly one of the limb leads is visible

Every recording of a batch keeps equally many patches, so that visible ones gather into a dense batch. Random
numbers come from torch's CPU generator on every device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LIMB, CHEST = 6, 6  # I II III aVR aVL aVF, then V1-V6
MODES = ("st", "st_sync", "random", "temporal", "spatial")
LIMB_RULES = ("free", "together", "one")


class Shares(NamedTuple):
    """What is hidden: the share of whole leads, of instants of the others, and whether leads share these instants."""

    leads: float
    times: float
    sync: bool


def shares(mode: str, lead_ratio: float, time_ratio: float) -> Shares:
    """All modes hide the same share of patches: ``1 - (1 - lead_ratio) (1 - time_ratio)``.

    ``st`` hides whole leads, and instants of each other lead; ``st_sync`` the same instants in all leads; ``random``
    instants of each lead and no whole one (ST-MEM); ``temporal`` instants of all leads; ``spatial`` whole leads.
    """
    total = 1 - (1 - lead_ratio) * (1 - time_ratio)
    return {
        "st": Shares(lead_ratio, time_ratio, False),
        "st_sync": Shares(lead_ratio, time_ratio, True),
        "random": Shares(0.0, total, False),
        "temporal": Shares(0.0, total, True),
        "spatial": Shares(total, 0.0, True),
    }[mode]


def draw_visible(batch: int, patches: int, hide: Shares, limb: str = "free") -> Tensor:
    """``(batch, lead, patch)`` bool, True where visible, with as many in each recording."""
    shown = max(1, patches - round(hide.times * patches))
    common = _subset((batch, 1, patches), shown) if hide.sync else None
    if limb == "free":
        return _scattered(batch, LIMB + CHEST, patches, hide.leads, shown, common)
    if limb == "together":  # one coin for the batch: the number of visible patches depends on it
        instants = _subset((batch, 1, patches), shown) if common is None else common
        hidden = bool(torch.rand(()) < hide.leads)
        limbs = torch.zeros(batch, LIMB, patches, dtype=torch.bool) if hidden else instants.expand(-1, LIMB, -1)
    else:
        whole = 1 if hide.leads and not hide.times else patches  # of whole leads only: the same one at each instant
        chosen = torch.randint(LIMB, (batch, 1, whole)).expand(-1, -1, patches)
        limbs = torch.arange(LIMB)[:, None] == chosen
        limbs = limbs if common is None else limbs & common
    return torch.cat([limbs, _scattered(batch, CHEST, patches, hide.leads, shown, common)], dim=1)


def _scattered(batch: int, leads: int, patches: int, ratio: float, shown: int, common: Tensor | None) -> Tensor:
    """Some leads wholly hidden, `shown` instants of each other one visible: ``(batch, leads, patches)``."""
    kept = max(1, leads - round(ratio * leads))
    instants = _subset((batch, leads, patches), shown) if common is None else common
    return _subset((batch, leads), kept).unsqueeze(-1) & instants


def _subset(shape: tuple[int, ...], count: int) -> Tensor:
    """Exactly `count` True of the last dimension, drawn for each row."""
    return torch.rand(shape).argsort(-1).argsort(-1) < count
