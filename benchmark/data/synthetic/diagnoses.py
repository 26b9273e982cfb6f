"""Conditions of the synthetic ECGs, as data: the waves of a healthy heart and their change by each condition.

A visit shows ``normal + severity * (full form - normal)``, summed over its conditions, so that conditions combine and
have mild forms without a line of code. Times are in seconds from the R peak, vectors in millivolt: x to the left, y to
the feet, z to the back (Frank's axes). The signatures are textbook: Surawicz and Knilans, Chou's Electrocardiography.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Wave(NamedTuple):
    """A bump that peaks `at`, with its own width (sigma) `before` and `after` the peak."""

    at: float
    before: float
    after: float
    x: float
    y: float
    z: float


Waves = Mapping[str, Wave]

NORMAL: Waves = {
    "P right": Wave(-0.160, 0.017, 0.020, 0.03, 0.09, -0.05),  # right atrium first, then the left:
    "P left": Wave(-0.130, 0.020, 0.017, 0.06, 0.06, 0.04),  # together biphasic in V1
    "Q": Wave(-0.027, 0.007, 0.009, -0.13, -0.05, -0.17),  # septum, left to right
    "R": Wave(0.000, 0.011, 0.011, 0.95, 0.72, 0.22),
    "N": Wave(0.035, 0.010, 0.010, 0.00, 0.00, 0.00),  # a late notch: only blocks and ectopic beats have it
    "S": Wave(0.022, 0.010, 0.010, -0.22, -0.12, 0.42),  # base of the heart, last and backwards
    "J": Wave(0.080, 0.022, 0.030, 0.00, 0.00, 0.00),  # ST segment: silent in health
    "ST": Wave(0.140, 0.035, 0.045, 0.02, 0.01, -0.02),
    "T": Wave(0.270, 0.052, 0.034, 0.30, 0.20, -0.10),  # slow rise, quick fall
}
NAMES = tuple(NORMAL)
ATRIAL = tuple(NAMES.index(name) for name in ("P right", "P left"))
TURNING = tuple(NAMES.index(name) for name in ("Q", "R", "N", "S"))  # turn with the heart's axis
FOLLOWING = (NAMES.index("T"),)  # turns half as far; injury (J, ST) has its own place
REPOLARISING = tuple(NAMES.index(name) for name in ("J", "ST", "T"))  # come earlier when the heart is fast

SILENT_J = Wave(0.080, 0.022, 0.030, 0, 0, 0)
NO_P: Waves = {"P right": Wave(-0.16, 0.017, 0.020, 0, 0, 0), "P left": Wave(-0.13, 0.020, 0.017, 0, 0, 0)}


@dataclass(frozen=True)
class Ectopy:
    """Premature beats: their possible forms (a patient has one), how early they occur, and the pause after them."""

    forms: tuple[Waves, ...]
    coupling: tuple[float, float]  # in sinus intervals
    pause: float  # compensation by the next interval: 1 compensates fully, 0 not at all


VENTRICULAR = Ectopy(
    forms=(
        {  # from the right ventricle: like a left bundle branch block, axis to the feet
            **NO_P,
            "J": SILENT_J,
            "Q": Wave(-0.05, 0.012, 0.012, 0.05, 0.05, 0.05),
            "R": Wave(0.000, 0.030, 0.030, 0.75, 1.10, 0.70),
            "N": Wave(0.055, 0.020, 0.026, 0.35, 0.55, 0.65),
            "S": Wave(0.090, 0.015, 0.015, 0.00, 0.00, 0.10),
            "ST": Wave(0.160, 0.040, 0.050, -0.18, -0.20, -0.25),
            "T": Wave(0.300, 0.065, 0.045, -0.45, -0.55, -0.50),
        },
        {  # from the left ventricle: like a right bundle branch block, positive in V1
            **NO_P,
            "J": SILENT_J,
            "Q": Wave(-0.05, 0.012, 0.012, -0.05, -0.10, -0.10),
            "R": Wave(0.000, 0.030, 0.030, -0.60, -0.85, -0.95),
            "N": Wave(0.060, 0.022, 0.026, -0.60, -0.35, -0.55),
            "S": Wave(0.095, 0.015, 0.015, -0.05, 0.00, 0.00),
            "ST": Wave(0.160, 0.040, 0.050, 0.15, 0.15, 0.20),
            "T": Wave(0.300, 0.065, 0.045, 0.45, 0.45, 0.45),
        },
    ),
    coupling=(0.55, 0.72),
    pause=1.0,
)
SUPRAVENTRICULAR = Ectopy(
    forms=(
        {  # low in the atrium: the P wave points upwards and is close to the QRS complex
            "P right": Wave(-0.125, 0.016, 0.018, 0.02, -0.10, 0.03),
            "P left": Wave(-0.100, 0.018, 0.016, 0.00, -0.08, -0.03),
        },
        {  # from the left atrium: the P wave points to the right
            "P right": Wave(-0.150, 0.020, 0.020, -0.08, 0.06, -0.06),
            "P left": Wave(-0.120, 0.020, 0.018, -0.06, 0.08, -0.08),
        },
    ),
    coupling=(0.58, 0.76),
    pause=-0.1,  # the sinus node is reset: the next interval is hardly longer
)


@dataclass(frozen=True)
class Diagnosis:
    """The changes made by a finding; `severity` is the range over visits, 1 being the full form."""

    title: str
    waves: Waves = field(default_factory=dict)
    severity: tuple[float, float] = (1.0, 1.0)
    rate: tuple[float, float] | None = None  # beats per minute; None leaves it alone
    fibrillates: bool = False
    ectopy: Ectopy | None = None


CONDITIONS: Mapping[str, Diagnosis] = {
    "NORM": Diagnosis("normal ECG in sinus rhythm"),
    "STACH": Diagnosis("sinus tachycardia", rate=(102, 150)),
    "SBRAD": Diagnosis("sinus bradycardia", rate=(38, 57)),
    "AFIB": Diagnosis("atrial fibrillation", waves=NO_P, rate=(55, 150), fibrillates=True),
    "1AVB": Diagnosis(
        "first-degree atrioventricular block",
        waves={
            "P right": Wave(-0.290, 0.017, 0.020, 0.03, 0.09, -0.05),
            "P left": Wave(-0.260, 0.020, 0.017, 0.06, 0.06, 0.04),
        },
        severity=(0.4, 1.0),
    ),
    "CLBBB": Diagnosis(
        "left bundle branch block",
        waves={
            "P right": Wave(-0.185, 0.017, 0.020, 0.03, 0.09, -0.05),
            "P left": Wave(-0.155, 0.020, 0.017, 0.06, 0.06, 0.04),
            "Q": Wave(-0.045, 0.012, 0.012, 0.12, 0.05, 0.10),  # no septal q: the septum now runs to the left
            "R": Wave(-0.005, 0.021, 0.022, 0.75, 0.45, 0.75),
            "N": Wave(0.047, 0.021, 0.017, 0.78, 0.22, 0.90),  # the notched plateau in I, V5 and V6
            "S": Wave(0.070, 0.010, 0.010, 0.00, 0.00, 0.05),
            "J": Wave(0.110, 0.025, 0.030, -0.09, -0.03, -0.18),
            "ST": Wave(0.170, 0.040, 0.045, -0.10, -0.03, -0.18),
            "T": Wave(0.300, 0.055, 0.036, -0.35, -0.10, -0.35),  # against the QRS complex
        },
        severity=(0.75, 1.0),
    ),
    "CRBBB": Diagnosis(
        "right bundle branch block",
        waves={
            "S": Wave(0.022, 0.010, 0.010, -0.10, -0.06, 0.40),
            "N": Wave(
                0.070, 0.017, 0.019, -0.55, -0.02, -0.68
            ),  # late, to the right and forwards: R' in V1, broad S in V6
            "J": Wave(0.115, 0.025, 0.030, 0.02, 0.01, 0.03),
            "T": Wave(0.290, 0.054, 0.036, 0.32, 0.18, 0.14),
        },
        severity=(0.7, 1.0),
    ),
    "ASTE": Diagnosis(
        "anterior ST elevation",
        waves={
            "J": Wave(0.080, 0.022, 0.030, 0.04, 0.00, -0.20),
            "ST": Wave(0.140, 0.040, 0.050, 0.08, -0.01, -0.24),
            "T": Wave(0.270, 0.060, 0.040, 0.34, 0.16, -0.30),
        },
        severity=(0.35, 1.0),
    ),
    "ISTE": Diagnosis(
        "inferior ST elevation",
        waves={
            "J": Wave(0.080, 0.022, 0.030, -0.09, 0.19, 0.06),
            "ST": Wave(0.140, 0.040, 0.050, -0.10, 0.24, 0.08),
            "T": Wave(0.270, 0.060, 0.040, 0.20, 0.34, -0.05),
        },
        severity=(0.35, 1.0),
    ),
    "LSTD": Diagnosis(
        "lateral ST depression",
        waves={
            "J": Wave(0.080, 0.022, 0.030, -0.17, -0.05, -0.02),
            "ST": Wave(0.140, 0.040, 0.050, -0.20, -0.06, -0.02),
            "T": Wave(0.270, 0.050, 0.034, 0.14, 0.12, -0.06),
        },
        severity=(0.4, 1.0),
    ),
    "LVHT": Diagnosis(
        "left ventricular hypertrophy",
        waves={
            "R": Wave(0.004, 0.013, 0.012, 1.75, 0.90, 0.85),
            "S": Wave(0.025, 0.010, 0.011, -0.15, -0.15, 0.80),
            "J": Wave(0.085, 0.022, 0.030, -0.06, -0.02, -0.04),
            "ST": Wave(0.145, 0.036, 0.045, -0.10, -0.04, -0.07),
            "T": Wave(0.275, 0.052, 0.034, -0.18, 0.05, -0.24),  # strain
        },
        severity=(0.4, 1.0),
    ),
    "PVB": Diagnosis("premature ventricular beats", ectopy=VENTRICULAR),
    "PAB": Diagnosis("premature atrial beats", ectopy=SUPRAVENTRICULAR),
}
