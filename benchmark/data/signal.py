"""The only place that knows lead order, units and resampling.

A recording leaves its store as millivolt in the order of `LEADS`; `adapt` brings it into the form
that a method's `SignalSpec` asks for. Every step works per recording, so one by one equals batched.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from benchmark.api import LEADS, SignalSpec
from benchmark.errors import UsageError

_CANONICAL = {lead.lower(): lead for lead in LEADS}
_EPSILON = 1e-8  # keeps a flat recording at 0 where a scaling divides by its range


def lead_positions(names: Sequence[str]) -> np.ndarray:
    """Return where each lead of `LEADS` stands in `names`; raise ValueError naming those missing or doubled.

    Names are compared without case: PTB-XL writes AVR, CPSC2018 and CSN write aVR.
    """
    found = [_CANONICAL.get(name.strip().lower(), name) for name in names]
    missing = [lead for lead in LEADS if lead not in found]
    doubled = sorted({lead for lead in found if found.count(lead) > 1})
    if missing or doubled:
        problems = [f"lead {lead} is missing" for lead in missing] + [f"lead {lead} occurs twice" for lead in doubled]
        raise ValueError(f"{'; '.join(problems)} (leads: {', '.join(names)})")
    return np.array([found.index(lead) for lead in LEADS])


def einthoven_residual(ecg: np.ndarray) -> np.ndarray:
    """Largest departure from III = II - I and Goldberger's leads: ``(n, 12, time)`` mV -> ``(n,)`` mV.

    About 0 for a sound recording; a swapped, inverted or wrongly scaled limb lead makes it large.
    """
    one, two, three, avr, avl, avf = np.moveaxis(ecg[:, :6], 1, 0)
    residuals = (three - (two - one), avr + (one + two) / 2, avl - (one - two / 2), avf - (two - one / 2))
    return np.max([np.abs(residual).max(axis=-1) for residual in residuals], axis=0)


def adapt(ecg: np.ndarray, rate: float, spec: SignalSpec) -> np.ndarray:
    """Bring ``(n, 12, time)`` millivolt at `rate` Hz in the order of `LEADS` into the form of `spec`.

    Order of the steps: leads, resampling, crop or pad at the end, scaling. Returns float32
    ``(n, len(spec.leads), spec.samples)``.
    """
    ecg = select_leads(ecg, spec.leads)
    ecg = resample(ecg, rate, spec.rate)
    ecg = crop_or_pad(ecg, spec.samples)
    return scale(ecg, spec).astype(np.float32, copy=False)


def select_leads(ecg: np.ndarray, leads: Sequence[str]) -> np.ndarray:
    unknown = [lead for lead in leads if lead not in LEADS]
    if unknown:
        raise UsageError(f"a SignalSpec asks for unknown leads {', '.join(unknown)} (known: {', '.join(LEADS)})")
    if tuple(leads) == LEADS:
        return ecg
    return ecg[:, [LEADS.index(lead) for lead in leads]]


def resample(ecg: np.ndarray, rate: float, target: float) -> np.ndarray:
    """Polyphase resampling with scipy's default anti-aliasing filter."""
    if rate == target:
        return ecg
    from scipy.signal import resample_poly

    ratio = Fraction(target).limit_denominator(10_000) / Fraction(rate).limit_denominator(10_000)
    # padtype "line" keeps a baseline offset from ringing at both ends
    return resample_poly(ecg, ratio.numerator, ratio.denominator, axis=-1, padtype="line")


def crop_or_pad(ecg: np.ndarray, samples: int) -> np.ndarray:
    have = ecg.shape[-1]
    if have >= samples:
        return ecg[..., :samples]
    return np.pad(ecg, [(0, 0)] * (ecg.ndim - 1) + [(0, samples - have)])


def scale(ecg: np.ndarray, spec: SignalSpec) -> np.ndarray:
    """Apply the scaling of `spec` to each recording (or each of its leads) by itself."""
    if spec.scaling == "millivolt":
        return ecg
    axes = (-1,) if spec.scaling == "zscore_lead" else (-2, -1)
    if spec.scaling == "minmax_record":
        low, high = ecg.min(axes, keepdims=True), ecg.max(axes, keepdims=True)
        return (ecg - low) / (high - low + _EPSILON)
    if spec.scaling in ("zscore_record", "zscore_lead"):
        return (ecg - ecg.mean(axes, keepdims=True)) / (ecg.std(axes, keepdims=True) + _EPSILON)
    raise UsageError(f"unknown scaling {spec.scaling!r} in a SignalSpec")
