"""Perturbations of a recording: noise, wandering baseline, exchanged electrodes.

Pure functions on ``(n, 12, time)`` millivolt in the order of `LEADS`. Noise is added at the nine electrodes and
reaches the leads through their definitions. So Einthoven's law still holds, and a method that sees
eight leads meets the same noise as one that sees twelve; a limb lead has up to sqrt(2) times the strength
of an electrode. Each recording draws from its own generator, independently of its batch.
Kinds of noise as in Moody, Muldrow and Mark, A noise stress test for arrhythmia detectors, Computers in
Cardiology 11 (1984); lead reversals as in Kligfield et al., Circulation 115 (2007), section on electrode misplacement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from benchmark.api import LEADS
from benchmark.errors import UsageError, did_you_mean

ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")
LIMB = {  # lead -> weights of RA, LA, LL
    "I": (-1, 1, 0),
    "II": (-1, 0, 1),
    "III": (0, -1, 1),
    "aVR": (1, -0.5, -0.5),
    "aVL": (-0.5, 1, -0.5),
    "aVF": (-0.5, -0.5, 1),
}
MAINS = 50.0  # Hz
MUSCLE_BAND = (20.0, 150.0)  # Hz
WANDER_BAND = (0.05, 0.5)  # Hz: breathing and slow electrode drift
WANDER_WAVES = 4

# kind -> lead -> (sign, lead whose place it takes): an exchange of two electrodes only moves and turns leads
SWAPS: dict[str, dict[str, tuple[int, str]]] = {
    "swap_arms": {"I": (-1, "I"), "II": (1, "III"), "III": (1, "II"), "aVR": (1, "aVL"), "aVL": (1, "aVR")},
    "swap_left": {"I": (1, "II"), "II": (1, "I"), "III": (-1, "III"), "aVL": (1, "aVF"), "aVF": (1, "aVL")},
    "swap_chest": {"V1": (1, "V2"), "V2": (1, "V1")},
}
UNITS = {
    "white": "mV rms",
    "muscle": "mV rms",
    "powerline": "mV",
    "wander": "mV",
    **dict.fromkeys(SWAPS, "of recordings"),
}

Noise = Callable[[int, float, np.random.Generator], np.ndarray]  # samples, rate, generator -> (9, samples)


def perturb(
    ecg: np.ndarray, rate: float, kind: str, strength: float, record_ids: Sequence[str], seed: int = 0
) -> np.ndarray:
    """Return a perturbed copy of ``(n, 12, time)`` mV at `rate` Hz, float32.

    `strength` is the rms (white, muscle) or the amplitude (powerline, wander) at an electrode in mV, or the
    share of recordings whose electrodes are exchanged (``swap_...``). A recording's noise depends on `kind`,
    its id and `seed`; `strength` only scales it. Raises `UsageError` as `check` does.
    """
    check(kind, strength, rate)
    generators = [generator(kind, record_id, seed) for record_id in record_ids]
    if kind in SWAPS:
        rows = np.array([random.random() < strength for random in generators])
        return swap(ecg, SWAPS[kind], rows)
    noise = NOISES[kind]
    samples = ecg.shape[-1]
    at_electrodes = np.stack([noise(samples, rate, random) for random in generators]).astype(np.float32)
    return (ecg + np.float32(strength) * (lead_matrix() @ at_electrodes)).astype(np.float32)


def check(kind: str, strength: float, rate: float | None = None) -> None:
    """Raise `UsageError` for an unknown kind, or for a strength or rate out of range."""
    if kind not in UNITS:
        raise UsageError(f"no perturbation {kind!r}{did_you_mean(kind, UNITS)} (known: {', '.join(UNITS)})")
    if strength <= 0 or (kind in SWAPS and strength > 1):
        limits = "above 0 and up to 1, a share of recordings" if kind in SWAPS else "above 0, in mV"
        raise UsageError(f"the strength of {kind!r} is {strength}, it must lie {limits}")
    if kind == "powerline" and rate is not None and rate <= 2 * MAINS:
        raise UsageError(
            f"signals at {rate:g} Hz cannot hold powerline noise of {MAINS:g} Hz; use a dataset with a higher rate"
        )


def generator(kind: str, record_id: str, seed: int) -> np.random.Generator:
    """Return the random number generator of one recording."""
    return np.random.default_rng(list(hashlib.sha256(f"{kind}/{record_id}/{seed}".encode()).digest()))


def lead_matrix() -> np.ndarray:
    """Return the matrix from electrodes to leads, ``(12, 9)`` float32; chest leads are against the limbs' mean."""
    matrix = np.zeros((len(LEADS), len(ELECTRODES)), np.float32)
    for row, lead in enumerate(LEADS):
        matrix[row, :3] = LIMB.get(lead, (-1 / 3, -1 / 3, -1 / 3))
        if lead in ELECTRODES:
            matrix[row, ELECTRODES.index(lead)] = 1
    return matrix


def swap(ecg: np.ndarray, exchange: dict[str, tuple[int, str]], rows: np.ndarray) -> np.ndarray:
    """Return a copy in which the electrodes of the `rows` recordings, ``(n,)`` bool, are exchanged."""
    output = ecg.astype(np.float32, copy=True)
    for lead, (sign, other) in exchange.items():
        output[rows, LEADS.index(lead)] = sign * ecg[rows, LEADS.index(other)]
    return output


def white(samples: int, rate: float, random: np.random.Generator) -> np.ndarray:
    return random.standard_normal((len(ELECTRODES), samples))


def muscle(samples: int, rate: float, random: np.random.Generator) -> np.ndarray:
    """Return noise between 20 and 150 Hz that swells and fades, rms 1 per electrode."""
    spectrum = np.fft.rfft(random.standard_normal((len(ELECTRODES), samples)))
    frequencies = np.fft.rfftfreq(samples, 1 / rate)
    spectrum[:, (frequencies < MUSCLE_BAND[0]) | (frequencies > MUSCLE_BAND[1])] = 0
    times = np.arange(samples) / rate
    swelling = 1 + 0.8 * np.sin(2 * np.pi * (random.uniform(0.1, 0.5, (9, 1)) * times + random.random((9, 1))))
    noise = np.fft.irfft(spectrum, samples) * swelling
    return np.asarray(noise / np.maximum(np.sqrt((noise**2).mean(axis=1, keepdims=True)), 1e-12))


def powerline(samples: int, rate: float, random: np.random.Generator) -> np.ndarray:
    """Return a sine at the mains frequency with its own amplitude (0.5 to 1) and phase per electrode."""
    amplitude, phase = random.uniform(0.5, 1, (9, 1)), random.random((9, 1))
    return amplitude * np.sin(2 * np.pi * (MAINS * np.arange(samples) / rate + phase))


def wander(samples: int, rate: float, random: np.random.Generator) -> np.ndarray:
    """Return the sum of a few slow waves per electrode, peak 1."""
    shape = (len(ELECTRODES), WANDER_WAVES, 1)
    frequency, phase, amplitude = random.uniform(*WANDER_BAND, shape), random.random(shape), random.random(shape)
    waves = (amplitude * np.sin(2 * np.pi * (frequency * np.arange(samples) / rate + phase))).sum(axis=1)
    return np.asarray(waves / np.maximum(np.abs(waves).max(axis=1, keepdims=True), 1e-12))


NOISES: dict[str, Noise] = {"white": white, "muscle": muscle, "powerline": powerline, "wander": wander}
