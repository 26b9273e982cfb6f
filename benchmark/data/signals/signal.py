"""Lead order, units, filters and resampling, which no other module handles.

A recording leaves its store as millivolt in the order of `LEADS`; `adapt` brings it into the form
that a method's `SignalSpec` asks for. Every step works per recording, so results are bit-identical for any batch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import get_args

import numpy as np

from benchmark.api import LEADS, Crop, Resampling, Scaling, SignalSpec
from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE
from benchmark.errors import did_you_mean, raise_all

_CANONICAL = {lead.lower(): lead for lead in LEADS}
# one joint behind it, so that "lead -aVR" keeps the sign of a lead that was turned over
_PREFIX = re.compile(r"^(lead|ecg)(\s*_\s*|\s+-\s+|-|\s+)?", re.IGNORECASE)
_EPSILON = 1e-8  # as MERL has it
_ROUNDING = 1e-6  # relative to the offset: the float32 rounding error of a flat line

BAND_PASS_ORDER = 4  # Butterworth, as ST-MEM and ECGFounder use it (0.67 to 40 Hz)
NOTCH_QUALITY = 30.0  # centre over width, as ECGFounder uses it at 50 Hz


# --- from a file to millivolt ----------------------------------------------------------------------


def canonical_leads(names: Sequence[str]) -> list[str]:
    """Return the names of leads as `LEADS` has them; other names stay as they are.

    Case and a leading "lead" or "ecg" are ignored: PTB-XL writes AVR, CPSC2018 and CSN aVR.
    """
    return [_CANONICAL.get(_PREFIX.sub("", name.strip()).lower(), name) for name in names]


def lead_positions(names: Sequence[str], leads: Sequence[str] = LEADS) -> np.ndarray:
    """Return the position of each of `leads` in `names`; raise ValueError naming those missing or doubled."""
    canonical = canonical_leads(names)
    missing = [lead for lead in leads if lead not in canonical]
    doubled = sorted({lead for lead in canonical if canonical.count(lead) > 1})
    if missing or doubled:
        problems = [f"lead {lead} is missing" for lead in missing] + [f"lead {lead} occurs twice" for lead in doubled]
        raise ValueError(f"{'; '.join(problems)} (leads: {', '.join(names)})")
    return np.array([canonical.index(lead) for lead in leads])


def to_millivolt(
    adc: np.ndarray, gain: np.ndarray | float, baseline: np.ndarray | None = None, missing: bool = True
) -> np.ndarray:
    """Convert integers ``(..., lead, time)`` to float32 mV: (adc - baseline) / gain, both ``(..., lead)``.

    A single number as `gain`, for recordings that share it and have baselines of 0 (see `shared_gain`), costs one
    product in float32: four times as fast, with at most one rounding error of difference. `MISSING_SAMPLE` is read as
    0 mV; pass `missing` False only for samples without it.
    """
    if np.ndim(gain) == 0:
        ecg = adc.astype(np.float32)
        ecg *= np.float32(1.0 / gain)
    else:
        offset = 0.0 if baseline is None else np.asarray(baseline, np.float64)[..., None]
        ecg = ((adc - offset) / np.asarray(gain)[..., None]).astype(np.float32)
    if missing:
        ecg[adc == MISSING_SAMPLE] = 0.0
    return ecg


def shared_gain(gain: np.ndarray, baseline: np.ndarray) -> float | None:
    """Return the gain if all leads share it and all baselines are 0; otherwise None."""
    first = float(gain.flat[0])
    return first if np.all(gain == first) and not np.any(baseline) else None


def einthoven_residual(ecg: np.ndarray) -> np.ndarray:
    """Return the largest deviation from III = II - I and Goldberger's leads: ``(n, 12, time)`` mV -> ``(n,)`` mV.

    About 0 for a correct recording; a swapped, inverted or wrongly scaled limb lead makes it large.
    """
    one, two, three, avr, avl, avf = np.moveaxis(ecg[:, :6], 1, 0)
    residuals = (three - (two - one), avr + (one + two) / 2, avl - (one - two / 2), avf - (two - one / 2))
    return np.max([np.abs(residual).max(axis=-1) for residual in residuals], axis=0)


# --- what a spec may ask for -----------------------------------------------------------------------


def check_spec(spec: SignalSpec) -> None:
    """Raise one `UsageError` that lists every mistake in a spec."""
    raise_all(spec_problems(spec), "a SignalSpec is wrong:")


def spec_problems(spec: SignalSpec) -> list[str]:
    sizes = {"rate": spec.rate, "seconds": spec.seconds}
    problems = [f"{name} is {value}, it must be above 0" for name, value in sizes.items() if not _positive(value)]
    if not problems and spec.samples < 1:
        problems.append(f"{spec.seconds} s at {spec.rate} Hz are less than one sample")
    if not (math.isfinite(spec.median_baseline) and spec.median_baseline >= 0):
        problems.append(f"median_baseline is {spec.median_baseline}, it must be 0 or more")
    if not (math.isfinite(spec.min_seconds) and spec.min_seconds >= 0):
        problems.append(f"min_seconds is {spec.min_seconds}, it must be 0 or more")
    unknown = [lead for lead in spec.leads if lead not in LEADS]
    doubled = sorted({lead for lead in spec.leads if spec.leads.count(lead) > 1})
    problems += [f"unknown lead {lead}{did_you_mean(lead, LEADS)}" for lead in unknown]
    problems += [f"lead {lead} stands twice" for lead in doubled]
    problems += [] if spec.leads else ["it names no lead"]
    kinds = (("scaling", Scaling), ("crop", Crop), ("resampling", Resampling))
    for name, value, choices in ((name, getattr(spec, name), get_args(kind)) for name, kind in kinds):
        if value not in choices:
            problems.append(f"unknown {name} {value!r}{did_you_mean(str(value), choices)}")
    return problems + _filter_problems(spec)


def _filter_problems(spec: SignalSpec) -> list[str]:
    """List filters outside the range below half of the target rate; resampling removes all above it anyway."""
    if not _positive(spec.rate):
        return []
    limit, problems = spec.rate / 2, []
    if spec.band_pass is not None and not (len(spec.band_pass) == 2 and 0 < spec.band_pass[0] < spec.band_pass[1]):
        problems.append(f"band_pass is {spec.band_pass}, it must be two rising frequencies above 0 Hz")
    elif spec.band_pass is not None and spec.band_pass[1] >= limit:
        problems.append(f"band_pass reaches {spec.band_pass[1]:g} Hz, {spec.rate:g} Hz hold less than {limit:g} Hz")
    if spec.notch is not None and not 0 < spec.notch < limit:
        problems.append(f"notch is {spec.notch:g} Hz, it must lie above 0 and below {limit:g} Hz")
    return problems


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def band_limit(rate: float, spec: SignalSpec) -> str | None:
    """Describe the band that recordings at `rate` Hz lack for a spec with a higher rate; None if they lack nothing."""
    if rate >= spec.rate:
        return None
    note = f"recorded at {rate:g} Hz and resampled to {spec.rate:g} Hz, so nothing above {rate / 2:g} Hz is in them"
    idle = []
    if spec.band_pass is not None and spec.band_pass[1] >= rate / 2:
        idle.append(f"the low-pass at {spec.band_pass[1]:g} Hz")
    if spec.notch is not None and spec.notch >= rate / 2:
        idle.append(f"the notch at {spec.notch:g} Hz")
    return f"{note} ({' and '.join(idle)} had nothing to remove)" if idle else note


# --- the steps -------------------------------------------------------------------------------------


def adapt(ecg: np.ndarray, rate: float, spec: SignalSpec) -> np.ndarray:
    """Bring ``(n, 12, time)`` millivolt at `rate` Hz in the order of `LEADS` into the form of `spec`.

    Leads, filters, resampling, crop, scaling, padding, in this order: filters run at the recording's own rate over its
    full length, and scaling ignores padding. Padding is 0 in every scaling, so a stretch where all
    leads are exactly 0 means "nothing was recorded here". Returns float32 ``(n, len(spec.leads), spec.samples)``.
    """
    check_spec(spec)
    ecg = select_leads(ecg, spec.leads)
    ecg = apply_filters(ecg, rate, spec)
    ecg = remove_median(ecg, rate, spec.median_baseline)
    ecg = resample(ecg, rate, spec.rate, spec.resampling)
    ecg = crop(ecg, spec)
    ecg = scale(ecg, spec)
    return pad(ecg, spec.samples).astype(np.float32, copy=False)


def select_leads(ecg: np.ndarray, leads: Sequence[str]) -> np.ndarray:
    if tuple(leads) == LEADS:
        return ecg
    return np.take(ecg, [LEADS.index(lead) for lead in leads], axis=1)


def apply_filters(ecg: np.ndarray, rate: float, spec: SignalSpec) -> np.ndarray:
    """Apply the notch, then the band-pass, both forwards and backwards: no phase shift, twice the order.

    A limit at or above half of `rate` has nothing to remove and is skipped; `band_limit` notes it in every record.
    """
    if spec.notch is None and spec.band_pass is None:
        return ecg
    from scipy.signal import butter, iirnotch, sosfiltfilt, tf2sos

    nyquist, sections = rate / 2, []
    if spec.notch is not None and spec.notch < nyquist:
        sections.append(tf2sos(*iirnotch(spec.notch, NOTCH_QUALITY, fs=rate)))
    if spec.band_pass is not None:
        low, high = spec.band_pass
        if high < nyquist:
            sections.append(butter(BAND_PASS_ORDER, (low, high), "bandpass", fs=rate, output="sos"))
        elif low < nyquist:
            sections.append(butter(BAND_PASS_ORDER, low, "highpass", fs=rate, output="sos"))
    for sos in sections:
        usual = 3 * (2 * len(sos) + 1)  # scipy's default, longer than a very short recording
        ecg = sosfiltfilt(sos, ecg, axis=-1, padlen=min(usual, ecg.shape[-1] - 1))
    return ecg


def remove_median(ecg: np.ndarray, rate: float, seconds: float) -> np.ndarray:
    """Subtract each lead's running median over `seconds`, like ECGFounder: odd window length, zeros outside."""
    if not seconds:
        return ecg
    from scipy.ndimage import median_filter

    samples = int(seconds * rate) + 1
    size = samples + 1 - samples % 2
    leads = ecg.reshape(-1, ecg.shape[-1])  # one by one: scipy's filter of one dimension is the fast one
    return ecg - np.stack([median_filter(lead, size, mode="constant") for lead in leads]).reshape(ecg.shape)


def resample(ecg: np.ndarray, rate: float, target: float, kind: Resampling = "polyphase") -> np.ndarray:
    """Resample by polyphase filtering with scipy's anti-aliasing filter, by Fourier transform or by interpolation."""
    if rate == target:
        return ecg
    from scipy import signal

    if kind == "fourier":  # takes the recording as periodic, so both ends ring
        return signal.resample(ecg, round(ecg.shape[-1] * target / rate), axis=-1)

    if kind == "linear":  # from the first to the last sample, without a filter
        return _interpolate(ecg, round(ecg.shape[-1] * target / rate))

    ratio = Fraction(target).limit_denominator(10_000) / Fraction(rate).limit_denominator(10_000)
    # padtype "line" keeps a baseline offset from ringing at both ends
    return signal.resample_poly(ecg, ratio.numerator, ratio.denominator, axis=-1, padtype="line")


def _interpolate(ecg: np.ndarray, samples: int) -> np.ndarray:
    """Interpolate linearly at `samples` equal steps from the first to the last sample, along the last axis."""
    positions = np.linspace(0, ecg.shape[-1] - 1, samples)
    left = np.minimum(positions.astype(int), max(ecg.shape[-1] - 2, 0))
    share = positions - left
    return ecg[..., left] * (1 - share) + ecg[..., np.minimum(left + 1, ecg.shape[-1] - 1)] * share


def crop(ecg: np.ndarray, spec: SignalSpec) -> np.ndarray:
    """Keep `spec.samples` at the start or around the middle of a longer recording."""
    spare = max(ecg.shape[-1] - spec.samples, 0)
    start = spare // 2 if spec.crop == "centre" else 0
    return ecg[..., start : start + spec.samples]


def pad(ecg: np.ndarray, samples: int) -> np.ndarray:
    """Append zeros to a shorter recording."""
    have = ecg.shape[-1]
    return ecg if have == samples else np.pad(ecg, [(0, 0)] * (ecg.ndim - 1) + [(0, samples - have)])


def scale(ecg: np.ndarray, spec: SignalSpec) -> np.ndarray:
    """Apply the scaling of `spec` to each recording, or each of its leads, independently."""
    if spec.scaling == "millivolt":
        return ecg
    ecg = np.ascontiguousarray(ecg)  # one memory order, one order of summation, whatever the batch
    axes = (-1,) if spec.scaling == "zscore_lead" else (-2, -1)
    if spec.scaling == "minmax_record":
        origin = ecg.min(axes, keepdims=True)
        spread = ecg.max(axes, keepdims=True) - origin
    else:
        origin, spread = ecg.mean(axes, keepdims=True), ecg.std(axes, keepdims=True)
    flat = spread <= _ROUNDING * (1 + np.abs(origin))  # otherwise its rounding errors would be scaled to full size
    ecg = ecg - origin
    ecg /= spread + _EPSILON
    return np.where(flat, 0, ecg) if flat.any() else ecg
