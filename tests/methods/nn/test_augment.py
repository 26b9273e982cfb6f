"""Augmentations: their effects and strength, and that all their randomness is torch's generator."""

import pytest
import torch

from methods.nn.augment import Augmentation, draw_time_out, random_crop


def ramp(batch=6, leads=12, samples=100):
    return (torch.arange(samples).float() + 1).expand(batch, leads, -1) + 1000 * torch.arange(batch)[:, None, None]


def test_a_crop_is_contiguous_and_the_same_in_all_leads():
    torch.manual_seed(0)
    crop = random_crop(ramp(), 30)
    assert crop.shape == (6, 12, 30)
    assert (crop.diff(dim=-1) == 1).all() and (crop == crop[:, :1]).all()
    assert len(set((crop[:, 0, 0] % 1000).tolist())) > 1  # not all at one place
    assert torch.equal(random_crop(ramp(), 0), ramp()) and torch.equal(random_crop(ramp(), 100), ramp())
    with pytest.raises(ValueError, match="a crop of 101 samples does not fit"):
        random_crop(ramp(), 101)


def test_a_silence_is_one_stretch_of_limited_length():
    torch.manual_seed(0)
    factors = draw_time_out(200, 100, 0.3)
    lengths = (factors == 0).sum(-1)
    assert lengths.max() <= 30 + 1 and lengths.float().std() > 3
    assert ((factors.diff(dim=-1) != 0).sum(-1) <= 2).all()


def test_the_seed_decides_and_zero_is_off():
    ecg = torch.randn(4, 12, 100)
    assert torch.equal(Augmentation()(ecg), ecg)
    augment = Augmentation(crop=50, gain=0.2, time_out=0.3, noise=0.1, lead_drop=0.5)
    torch.manual_seed(1)
    first, other = augment(ecg), augment(ecg)
    torch.manual_seed(1)
    assert torch.equal(augment(ecg), first) and not torch.equal(first, other)


def test_lead_masking_and_noise_are_as_strong_as_asked():
    torch.manual_seed(0)
    ecg = 5 * torch.randn(300, 12, 200)
    drop_rate = (Augmentation(lead_drop=0.25)(ecg) == 0).all(-1).float().mean()
    assert drop_rate == pytest.approx(0.25, abs=0.03)
    assert (Augmentation(noise=0.1)(ecg) - ecg).std() == pytest.approx(0.5, rel=0.03)
    with pytest.raises(ValueError, match="gain = 1 must lie in"):
        Augmentation(gain=1)
