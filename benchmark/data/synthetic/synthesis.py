"""A parametric 12-lead ECG: every wave is a Gaussian in time with a heart vector, projected onto the leads.

The sum of Gaussians is McSharry et al. 2003 (doi:10.1109/TBME.2003.808805), the heart vector in three dimensions Sameni
et al. 2007 (doi:10.1155/2007/43407), the projection on eight leads Dower et al. 1980 (doi:10.1002/clc.1980.3.2.87).
The other four limb leads follow from I and II, as on a real machine: III = II - I, aVR = -(I + II) / 2 and so on.
Shapes: W waves, B beats, S samples around a beat, T samples of the recording. Times in seconds, voltages in millivolt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.synthetic.diagnoses import (
    ATRIAL,
    CONDITIONS,
    FOLLOWING,
    NAMES,
    NORMAL,
    REPOLARISING,
    TURNING,
    Diagnosis,
    Ectopy,
    Waves,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNITS_PER_MILLIVOLT = 1000
NORMAL_AXIS = 66.0  # degrees, of the QRS complex that the normal waves make
BEFORE, AFTER = 0.45, 0.65  # seconds around an R peak that its beat can reach
DOWER = np.array(  # lead = row . heart vector
    [
        [0.632, -0.235, 0.059],  # I
        [0.235, 1.066, -0.132],  # II
        [-0.515, 0.157, -0.917],  # V1
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],  # V6
    ]
)
FRONTAL = np.array([DOWER[0, :2], DOWER[1, :2] - DOWER[0, :2] / 2])  # I and aVF from x and y
NORMAL_TABLE = np.array([NORMAL[name] for name in NAMES])  # (W, 6): at, before, after, x, y, z
PATIENT_STREAM, VISIT_STREAM = 1, 2  # keep the random numbers of patients and visits apart


@dataclass(frozen=True)
class Visit:
    """Everything that a recording and its report share; it alone determines the signal."""

    seed: int
    patient: int
    number: int  # of the patient's visits, from 0
    findings: tuple[tuple[str, float], ...]  # code and severity
    rate: float  # beats per minute
    axis: float  # of the QRS complex in the frontal plane, degrees

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(code for code, _ in self.findings)

    @property
    def conditions(self) -> list[Diagnosis]:
        return [CONDITIONS[code] for code in self.codes]


@dataclass(frozen=True)
class Anatomy:
    """The properties of a patient that stay constant from visit to visit."""

    voltage: Floats  # (W, 1) factor on the heart vectors
    width: Floats  # (W, 1) factor on the waves' widths
    delay: Floats  # (W,) seconds
    lean: Floats  # (W, 3) millivolt added to the heart vectors
    torso: Floats  # (8, 3) lead field
    focus: int  # which form the ectopic beats take


def synthesize(visit: Visit, rate: float, seconds: float) -> NDArray[np.int16]:
    """Return one recording in microvolt: (12, T), leads in the order of `benchmark.api.LEADS`."""
    rng = np.random.default_rng([VISIT_STREAM, visit.seed, visit.patient, visit.number])
    anatomy = draw_anatomy(np.random.default_rng([PATIENT_STREAM, visit.seed, visit.patient]))
    peaks, ectopic = beat_times(visit, seconds, rng)
    tables = wave_tables(visit, anatomy, rng)
    torso = anatomy.torso + np.r_[np.zeros((2, 3)), rng.normal(0, 0.05, (6, 3))]  # chest electrodes never sit the same
    samples = round(rate * seconds)
    leads = beats(peaks, tables[ectopic], torso, rate, samples, rng)
    times = np.arange(samples) / rate
    if any(condition.fibrillates for condition in visit.conditions):
        leads += torso @ fibrillation(times, rng)
    leads += wander(times, rng) + noise(samples, rng)
    return twelve_leads(leads)


# --- the heart -----------------------------------------------------------------------------------


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one patient: size, conduction and position of the heart within what is normal."""
    waves = len(NAMES)
    voltage = np.exp(rng.normal(0, 0.20) + rng.normal(0, 0.15, (waves, 1)))
    width = np.exp(rng.normal(0, 0.07) + rng.normal(0, 0.04, (waves, 1)))
    delay = np.zeros(waves)
    delay[list(ATRIAL)] = np.clip(rng.normal(0, 0.014), -0.028, 0.028)  # PR interval
    delay[list(REPOLARISING)] = rng.normal(0, 0.010)  # QT interval
    lean = np.zeros((waves, 3))
    lean[list(REPOLARISING)] = rng.normal(0, [[0.015], [0.02], [0.06]], (3, 3))  # nobody's ST segment is quite level
    torso = DOWER * np.exp(rng.normal(0, 0.10, (8, 1))) + rng.normal(0, 0.03, (8, 3))
    return Anatomy(voltage, width, delay, lean, torso, int(rng.integers(2)))


def wave_tables(visit: Visit, anatomy: Anatomy, rng: np.random.Generator) -> Floats:
    """Return the waves of a sinus beat and of an ectopic one for this visit: (2, W, 6)."""
    sinus = NORMAL_TABLE.copy()
    for code, severity in visit.findings:
        for name, wave in CONDITIONS[code].waves.items():
            index = NAMES.index(name)
            sinus[index] += severity * (np.array(wave) - NORMAL_TABLE[index])
    tables = np.stack([sinus, sinus])
    for ectopy in ectopies(visit):
        replace_waves(tables[1], ectopy.forms[anatomy.focus])
    pace = np.clip(np.sqrt(60 / visit.rate / 0.85), 0.66, 1.22)  # Bazett: QT follows the square root of RR
    tables[:, REPOLARISING, :3] *= pace
    tables[:, ATRIAL, 0] *= np.sqrt(pace)
    tables[:, :, 1:3] *= anatomy.width
    tables[:, :, 0] += anatomy.delay
    tables[:, :, 3:] *= anatomy.voltage
    tables[:, :, 3:] += anatomy.lean
    turn, roll = heart_angle(visit.axis) - heart_angle(NORMAL_AXIS), rng.normal(0, 0.12)
    for rows, share in ((TURNING, 1.0), (FOLLOWING, 0.5)):
        tables[:, rows, 3:] = tables[:, rows, 3:] @ rotation(share * turn, share * roll).T
    return tables


def heart_angle(axis: float) -> float:
    """Convert the axis seen by leads I and aVF (degrees) into the heart vector's own frontal angle (radian)."""
    phi = np.deg2rad(axis)
    x, y = np.linalg.solve(FRONTAL, [np.cos(phi), np.sin(phi) * np.sqrt(3) / 2])  # aVF is the short one
    return float(np.arctan2(y, x))


def replace_waves(table: Floats, waves: Waves) -> None:
    for name, wave in waves.items():
        table[NAMES.index(name)] = wave


def rotation(frontal: float, horizontal: float) -> Floats:
    """Turn heart vectors in the frontal plane (clockwise as seen from the front), then about the feet-head axis."""
    c, s, ch, sh = np.cos(frontal), np.sin(frontal), np.cos(horizontal), np.sin(horizontal)
    both: Floats = np.array([[ch, 0, -sh], [0, 1, 0], [sh, 0, ch]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return both


def fibrillation(times: Floats, rng: np.random.Generator) -> Floats:
    """Return the heart vector of fibrillating atria, (3, T): a few drifting oscillations of 4.5 to 8 Hz."""
    size = rng.uniform(0.03, 0.11)
    base = rng.uniform(4.8, 7.2)
    vector = np.zeros((3, len(times)))
    for _ in range(3):
        frequency, drift = base * rng.uniform(0.85, 1.2), rng.uniform(0.1, 0.5)
        phases = rng.uniform(0, 2 * np.pi, 3)
        angle = 2 * np.pi * frequency * times + 1.5 * np.sin(2 * np.pi * drift * times + phases[0]) + phases[1]
        swell = 1 + 0.5 * np.sin(2 * np.pi * drift * times + phases[2])
        direction = np.array([-0.2, 0.35, -0.9]) + rng.normal(0, 0.25, 3)  # largest in V1 and II
        vector += size / 2 * direction[:, None] * (swell * np.sin(angle))
    return vector


# --- rhythm --------------------------------------------------------------------------------------


def ectopies(visit: Visit) -> list[Ectopy]:
    return [condition.ectopy for condition in visit.conditions if condition.ectopy]


def beat_times(visit: Visit, seconds: float, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Return the R peaks that touch the recording, and 1 for each that is ectopic, else 0."""
    count = int(seconds * visit.rate / 60 * 1.6) + 8
    fibrillates = any(condition.fibrillates for condition in visit.conditions)
    intervals = (fibrillating_intervals if fibrillates else sinus_intervals)(60 / visit.rate, count, rng)
    start = -intervals[0] * (1 + rng.random())
    ectopic = np.zeros(count, dtype=np.int64)
    for ectopy in ectopies(visit):
        spots = premature_spots(start + np.cumsum(intervals), 60 / visit.rate, seconds, rng)
        ectopic[spots] = 1
        coupling = max(rng.uniform(*ectopy.coupling), 0.33 * visit.rate / 60)  # no tissue answers within 0.33 s
        intervals[spots + 1] *= 1 + ectopy.pause * (1 - coupling)
        intervals[spots] = coupling * 60 / visit.rate
    peaks = start + np.cumsum(intervals)
    inside = (peaks > -AFTER) & (peaks < seconds + BEFORE)
    return peaks[inside], ectopic[inside]


def sinus_intervals(mean: float, count: int, rng: np.random.Generator) -> Floats:
    """Draw intervals, (count,) seconds: regular except for respiratory sinus arrhythmia and a little jitter."""
    breath = 2 * np.pi * rng.uniform(0.18, 0.32) * mean * np.arange(count) + rng.uniform(0, 2 * np.pi)
    change: Floats = rng.uniform(0.005, 0.05) * np.sin(breath) + rng.normal(0, 0.008, count)
    return mean * (1 + change)


def fibrillating_intervals(mean: float, count: int, rng: np.random.Generator) -> Floats:
    """Draw independent intervals, (count,) seconds, irregularly irregular: their spread is 16 to 28 % of the mean."""
    spread = rng.uniform(0.16, 0.28)
    return np.maximum(mean * rng.gamma(1 / spread**2, spread**2, count), 0.28)


def premature_spots(peaks: Floats, interval: float, seconds: float, rng: np.random.Generator) -> Ints:
    """Choose 1 to 4 beats, never neighbours, to come early, well inside the recording."""
    candidates = np.flatnonzero((peaks > 0.3 + interval / 2) & (peaks < seconds - 0.3))
    if len(candidates) == 0:
        candidates = np.array([np.argmin(np.abs(peaks - seconds / 2))])
    alternate = candidates[rng.integers(min(2, len(candidates))) :: 2]
    return np.sort(rng.choice(alternate, min(int(rng.integers(1, 5)), len(alternate)), replace=False))


# --- from the heart to the electrodes ------------------------------------------------------------


def beats(peaks: Floats, waves: Floats, torso: Floats, rate: float, samples: int, rng: np.random.Generator) -> Floats:
    """Draw every beat at its time and return the eight independent leads: (B,), (B, W, 6) -> (8, T)."""
    waves = waves + jitter(peaks, waves, rng)
    first = np.ceil((peaks - BEFORE) * rate).astype(np.int64)
    span = int((BEFORE + AFTER) * rate)
    times = (first[:, None] + np.arange(span)) / rate - peaks[:, None]  # (B, S)
    distance = times[:, None, :] - waves[:, :, 0, None]  # (B, W, S)
    distance /= np.where(distance < 0, waves[:, :, 1, None], waves[:, :, 2, None])
    shapes = np.exp(-0.5 * distance**2)
    signals = torso @ waves[:, :, 3:].transpose(0, 2, 1) @ shapes  # (B, 8, S)
    leads = np.zeros((8, samples + 2 * span))  # a margin at both ends for beats that are cut
    for beat, start in zip(signals, first + span, strict=True):
        leads[:, start : start + span] += beat
    return leads[:, span : span + samples]


def jitter(peaks: Floats, waves: Floats, rng: np.random.Generator) -> Floats:
    """Return random changes of each beat, (B, W, 6): breathing swings the axis, conduction varies a little."""
    change = np.zeros_like(waves)
    count = len(NAMES)
    change[:, :, 0] = rng.normal(0, 0.0015, (len(peaks), count))
    breath = np.sin(2 * np.pi * rng.uniform(0.18, 0.32) * peaks + rng.uniform(0, 2 * np.pi))
    swing = (rng.uniform(0, 0.10) * breath)[:, None]  # radian
    size = rng.normal(0, 0.025, (len(peaks), count)) + rng.uniform(0, 0.06) * breath[:, None]
    x, y, z = waves[:, :, 3], waves[:, :, 4], waves[:, :, 5]
    change[:, :, 3:] = np.stack([size * x - swing * y, size * y + swing * x, size * z], axis=-1)
    return change


def wander(times: Floats, rng: np.random.Generator) -> Floats:
    """Return the baseline of each lead, (8, T): breathing and slow drifts of the electrodes."""
    frequency = np.r_[rng.uniform(0.18, 0.32), rng.uniform(0.03, 0.6, 4)]
    size = rng.normal(0, rng.gamma(2.0, 0.012), (8, 5))
    waves = np.sin(2 * np.pi * frequency[:, None] * times + rng.uniform(0, 2 * np.pi, (5, 1)))
    baseline: Floats = size @ waves + rng.normal(0, 0.02, (8, 1))
    return baseline


def noise(samples: int, rng: np.random.Generator) -> Floats:
    """Return muscle and amplifier noise, (8, T); its strength varies from visit to visit and lead to lead."""
    strength: Floats = np.exp(rng.normal(np.log(0.022), 0.5) + rng.normal(0, 0.25, (8, 1)))
    return strength * rng.standard_normal((8, samples))


def twelve_leads(leads: Floats) -> NDArray[np.int16]:
    """Round the eight leads and derive the other four from the rounded ones: (8, T) -> (12, T) microvolt.

    III is then exact, and the augmented leads are within half a unit.
    """
    rounded = np.clip(np.rint(leads * UNITS_PER_MILLIVOLT), -16000, 16000)  # II - I still fits 16 bits
    one, two = rounded[0], rounded[1]
    limb_leads = np.stack([two - one, -(one + two) / 2, one - two / 2, two - one / 2])
    return np.concatenate([rounded[:2], np.rint(limb_leads), rounded[2:]]).astype(np.int16)
