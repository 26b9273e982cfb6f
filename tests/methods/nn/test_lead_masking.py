"""Random lead masking: how many leads it silences, and that each is silent as a whole."""

import torch

from methods.nn.lead_masking import mask_leads


def test_half_of_the_leads_fall_silent_each_on_its_own():
    torch.manual_seed(0)
    ecg = torch.ones(200, 12, 3)
    silent = mask_leads(ecg) == 0
    assert (silent.all(-1) == silent.any(-1)).all()  # a lead is silent as a whole
    assert 0.46 < silent.float().mean() < 0.54
    assert len({tuple(row) for row in silent[..., 0].tolist()}) > 150
    assert torch.equal(mask_leads(ecg, 0.0), ecg) and not mask_leads(ecg, 1.0).any()
