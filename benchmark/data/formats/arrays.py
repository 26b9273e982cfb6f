"""Arrays of samples as recordings: small integers as they are, other numbers rounded to microvolts.

The rounding, at most 0.0005 mV, is that of the PhysioNet challenges for the doubles of CPSC2018.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.api import RawSignal
from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE
from benchmark.errors import RecordingError

UNITS_PER_MILLIVOLT = 1000  # of what is rounded
INT16 = np.iinfo(np.int16)


def raw_signal(
    path: Path, array: np.ndarray, per_millivolt: float, rate: float, leads: tuple[str, ...], remedy: str
) -> RawSignal:
    """Return samples ``(lead, time)`` in units of which `per_millivolt` make 1 mV; NaN and infinity are missing ones.

    Raises `RecordingError` with `remedy` where a sample is beyond the 32.767 mV that 16 bits hold.
    """
    zero = np.zeros(len(leads), np.int64)
    whole = np.issubdtype(array.dtype, np.integer)
    if whole and array.min() >= INT16.min and array.max() <= INT16.max:
        return RawSignal(array.astype(np.int16), np.full(len(leads), per_millivolt), zero, rate, leads)
    microvolt = array.astype(np.float64) * (UNITS_PER_MILLIVOLT / per_millivolt)
    missing = ~np.isfinite(microvolt)
    microvolt[missing] = 0
    largest = float(np.abs(microvolt).max())
    if largest > INT16.max:
        problem = f"reaches {largest / UNITS_PER_MILLIVOLT:.4g} mV, a recording has at most 32.767"
        raise RecordingError(path, problem, remedy)
    adc = np.round(microvolt).astype(np.int16)
    adc[missing] = MISSING_SAMPLE
    return RawSignal(adc, np.full(len(leads), float(UNITS_PER_MILLIVOLT)), zero, rate, leads)
