"""Sentinels that detect wrong units, swapped leads and wrong rates before an adaptation hides them.

Some faults show in one recording (limb leads that break Einthoven's law, amplitudes a thousand times too
large), others only in many (a heart rate possible for one person is impossible as the median of a dataset).
The bounds come from PTB-XL: the median lead of its recordings spans 0.38 to 9.5 mV, its median heart rate is 70.
A wrong rate is detected from a factor of about 1.6; swapped arm electrodes break no law and are not detected.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.api import LEADS
from benchmark.data.signals.signal import einthoven_residual

EINTHOVEN_TOLERANCE = 0.05  # mV; rounding of three leads stays far below, a swapped lead far above
PLAUSIBLE_SPAN = (0.05, 50.0)  # mV, of a recording's median lead
USUAL_SPAN = (0.3, 5.0)  # mV, the median over recordings
USUAL_HEART_RATE = (45.0, 115.0)  # beats per minute, the median over recordings
MOST_BROKEN = 0.01  # share of recordings with broken limb leads that does not yet point to a reading error
ENOUGH = 30  # recordings needed for meaningful medians
SLOWEST, FASTEST = 5.0, 500.0  # beats per minute that `heart_rate` looks for
PEAK = 0.7  # the first peak of the autocorrelation that reaches this part of the highest is the beat


@dataclass(frozen=True)
class Alarm:
    """A suspected fault in a set of recordings; `rows` are the recordings that show it, where known."""

    sentinel: str
    problem: str
    remedy: str
    rows: tuple[int, ...] = ()


def span(ecg: np.ndarray) -> np.ndarray:
    """Return the median over leads of the peak-to-peak amplitude: ``(n, 12, time)`` mV -> ``(n,)`` mV."""
    return np.asarray(np.median(ecg.max(-1) - ecg.min(-1), axis=1))


def heart_rate(ecg: np.ndarray, rate: float) -> np.ndarray:
    """Estimate beats per minute by autocorrelation of the slopes: ``(n, lead, time)`` -> ``(n,)``, NaN without a peak.

    A rough estimate (atrial fibrillation has none), good enough for medians: it scales with the assumed `rate`.
    """
    from scipy.ndimage import uniform_filter1d

    energy = np.abs(np.diff(ecg, axis=-1)).sum(axis=1)
    energy = uniform_filter1d(energy, max(int(0.06 * rate), 1), axis=-1)  # 60 ms: one hump per QRS complex
    energy = energy - energy.mean(-1, keepdims=True)
    samples = energy.shape[-1]
    power = np.abs(np.fft.rfft(energy, 2 * samples, axis=-1)) ** 2
    correlation = np.fft.irfft(power, axis=-1)[:, :samples] / np.arange(samples, 0, -1)
    shortest, longest = int(60 / FASTEST * rate), min(int(60 / SLOWEST * rate), samples // 2)
    return np.array([60 * rate / _period(row[shortest:longest], shortest) for row in correlation])


def _period(correlation: np.ndarray, first_lag: int) -> float:
    """Return the lag of the first high peak, in samples; NaN without a peak above 0."""
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner >= correlation[:-2]) & (inner > correlation[2:]) & (inner > 0))
    if not len(peaks):
        return float("nan")
    high = peaks[correlation[peaks] >= PEAK * correlation[peaks].max()]
    return float(high[0] + first_lag)


def precordial_order(ecg: np.ndarray) -> tuple[int, ...]:
    """Estimate the order of V1-V6 in ``(n, 12, time)``: ``(0, 1, 2, 3, 4, 5)`` for correct recordings.

    Neighbouring chest leads are similar, so the true order has the highest sum of mean correlations between
    neighbours. Of its two directions, the one that ends near lead I (the left side) is correct.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # flat leads
        correlations = np.nan_to_num([np.corrcoef(recording[[0, *range(6, 12)]]) for recording in ecg]).mean(axis=0)
    with_one, chest = correlations[0, 1:], correlations[1:, 1:]

    def likeness(order: Sequence[int]) -> float:
        neighbours = sum(chest[a, b] for a, b in itertools.pairwise(order))
        return float(neighbours + 0.01 * (with_one[order[-1]] - with_one[order[0]]))

    return max(itertools.permutations(range(6)), key=likeness)


def watch(ecg: np.ndarray, rate: float, leads: Sequence[str] = LEADS) -> list[Alarm]:
    """Run every sentinel on recordings ``(n, 12, time)`` mV with an assumed rate of `rate` Hz; return the alarms.

    For fewer than `ENOUGH` recordings, only sentinels that work on single recordings are run. Of a dataset with other
    `leads` than all twelve, only these are judged.
    """
    of_limbs, of_all = set(LEADS[:6]) <= set(leads), set(leads) == set(LEADS)
    present = ecg if of_all else ecg[:, [LEADS.index(lead) for lead in leads]]
    alarms = [_limb_leads(ecg, rate) if of_limbs else None, _unit(present, rate)]
    if len(ecg) >= ENOUGH:
        alarms += [_usual_amplitude(present, rate), _usual_heart_rate(present, rate)]
        alarms += [_chest_leads(ecg, rate)] if of_all else []
    return [alarm for alarm in alarms if alarm is not None]


def _limb_leads(ecg: np.ndarray, rate: float) -> Alarm | None:
    rows = np.flatnonzero(einthoven_residual(ecg) > EINTHOVEN_TOLERANCE)
    if len(rows) <= MOST_BROKEN * len(ecg):
        return None
    problem = f"{len(rows)} of {len(ecg)} recordings break Einthoven's law by over {EINTHOVEN_TOLERANCE} mV"
    return Alarm("limb leads", problem, "limb leads are swapped, inverted or of different units", _as_numbers(rows))


def _unit(ecg: np.ndarray, rate: float) -> Alarm | None:
    spans = span(ecg)
    low, high = PLAUSIBLE_SPAN
    rows = np.flatnonzero((spans < low) | (spans > high))
    if not len(rows):
        return None
    problem = f"{len(rows)} of {len(ecg)} recordings span {spans[rows].min():.3g} to {spans[rows].max():.3g} mV"
    return Alarm("unit", problem, "volt or microvolt were taken for millivolt, or a gain is wrong", _as_numbers(rows))


def _usual_amplitude(ecg: np.ndarray, rate: float) -> Alarm | None:
    middle = float(np.median(span(ecg)))
    if USUAL_SPAN[0] <= middle <= USUAL_SPAN[1]:
        return None
    problem = f"the median recording spans {middle:.3g} mV, {USUAL_SPAN[0]} to {USUAL_SPAN[1]} mV are usual"
    return Alarm("amplitude", problem, "a gain is wrong for the whole set")


def _usual_heart_rate(ecg: np.ndarray, rate: float) -> Alarm | None:
    rates = heart_rate(ecg, rate)
    middle = float(np.nanmedian(rates)) if np.isfinite(rates).any() else float("nan")
    if USUAL_HEART_RATE[0] <= middle <= USUAL_HEART_RATE[1]:
        return None
    usual = f"{USUAL_HEART_RATE[0]:g} to {USUAL_HEART_RATE[1]:g} are usual"
    problem = f"at {rate:g} Hz the median heart rate is {middle:.0f} beats per minute, {usual}"
    return Alarm("rate", problem, "the recordings have another rate than their headers or their loader say")


def _chest_leads(ecg: np.ndarray, rate: float) -> Alarm | None:
    order = precordial_order(ecg)
    if order == tuple(range(6)):
        return None
    names = ", ".join(f"V{lead + 1}" for lead in order)
    problem = f"by their likeness the chest leads follow each other as {names}"
    return Alarm("chest leads", problem, "chest leads are swapped or in another order than their names say")


def _as_numbers(rows: np.ndarray) -> tuple[int, ...]:
    return tuple(int(row) for row in rows)
