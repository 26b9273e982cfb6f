"""Masks over leads and time: exact counts in every mode, and no hidden limb lead that arithmetic can rebuild."""

import pytest
import torch

from benchmark.api import LEADS
from methods.nn.cgdmer.lead_time_mask import LIMB, LIMB_RULES, MODES, draw_visible, hidden_shares

PATCHES = 48


def draw_mask(mode, limb="free", batch=6, seed=0):
    torch.manual_seed(seed)
    return draw_visible(batch, PATCHES, hidden_shares(mode, 0.25, 2 / 3), limb)


@pytest.mark.parametrize("limb", LIMB_RULES)
@pytest.mark.parametrize("mode", MODES)
def test_every_recording_keeps_equally_many_and_no_two_the_same(mode, limb):
    for seed in range(4):
        visible = draw_mask(mode, limb, seed=seed)
        counts = visible.flatten(1).sum(1)
        assert visible.shape == (6, 12, PATCHES) and (counts == counts[0]).all() and 0 < counts[0] < 12 * PATCHES
    several = torch.cat([draw_mask(mode, limb, seed=seed) for seed in range(3)])
    assert len(several.flatten(1).unique(dim=0)) > 4


@pytest.mark.parametrize("mode", MODES)
def test_all_modes_hide_the_same_share(mode):
    assert draw_mask(mode).float().mean() == pytest.approx(0.25, abs=1e-6)


def test_modes_hide_what_they_say():
    st, sync, scattered, temporal, spatial = (draw_mask(mode) for mode in MODES)
    for visible in (st, sync):  # three leads wholly, a third of the instants of each of the nine others
        per_lead = visible.sum(-1)
        assert (per_lead == 0).sum(1).tolist() == [3] * 6 and set(per_lead.unique().tolist()) == {0, 16}
    assert all(len(one[one.any(1)].unique(dim=0)) == 1 for one in sync)  # the same instants in all visible leads
    assert all(len(one[one.any(1)].unique(dim=0)) == 9 for one in st)
    assert (scattered.sum(-1) == 12).all() and all(len(one.unique(dim=0)) == 12 for one in scattered)
    assert (temporal == temporal[:, :1]).all() and (temporal[:, 0].sum(1) == 12).all()
    assert set(spatial.sum(-1).unique().tolist()) == {0, PATCHES} and (spatial.all(-1).sum(1) == 3).all()


def count_rebuildable(visible):
    """Count hidden limb patches at instants with two or more visible limb leads, so that arithmetic rebuilds them."""
    limbs = visible[:, :LIMB]
    return (~limbs & (limbs.sum(1, keepdim=True) >= 2)).sum().item()


def test_the_rules_for_limb_leads_leave_nothing_to_arithmetic():
    assert LEADS[:LIMB] == ("I", "II", "III", "aVR", "aVL", "aVF")
    for mode in MODES:
        count = sum(count_rebuildable(draw_mask(mode, seed=seed)) for seed in range(4))
        assert (count > 0) == (mode != "temporal")  # instants hidden in all leads are safe without a rule
        for limb in ("together", "one"):
            assert sum(count_rebuildable(draw_mask(mode, limb, seed=seed)) for seed in range(8)) == 0
    one = draw_mask("st", "one")
    assert (one[:, :LIMB].sum(1) == 1).all()
    together = torch.cat([draw_mask("st", "together", seed=seed) for seed in range(24)])[:, :LIMB]
    assert (together == together[:, :1]).all() and {0, 16} == set(together[:, 0].sum(-1).tolist())
