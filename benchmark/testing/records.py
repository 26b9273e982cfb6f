"""Write one WFDB recording as the datasets of the field do."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.api import LEADS


def write_record(
    stem: Path,
    adc: np.ndarray,
    rate: int = 100,
    leads: Sequence[str] = LEADS,
    gain: str = "1000.0(0)/mV",
    comments: Sequence[str] = (),
    matlab: bool = False,
) -> None:
    """Write ``stem.hea`` and ``stem.dat``, or with `matlab` the ``.mat`` of the PhysioNet challenges.

    `adc` is (lead, time) int16 in the order of `leads`; `comments` are whole lines including the #.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    file = f"{stem.name}.{'mat' if matlab else 'dat'}"
    head = matlab_head(adc) if matlab else b""
    (stem.parent / file).write_bytes(head + adc.T.astype("<i2").tobytes())
    lines = [f"{stem.name} {len(adc)} {rate} {adc.shape[1]}"]
    for lead, samples in zip(leads, adc, strict=True):
        checksum = int(samples.sum(dtype=np.int64)) & 0xFFFF
        storage = f"16+{len(head)}" if head else "16"
        lines.append(f"{file} {storage} {gain} 16 0 {samples[0]} {checksum} 0 {lead}")
    (stem.parent / f"{stem.name}.hea").write_text("\n".join([*lines, *comments]) + "\n", "utf-8")


def matlab_head(adc: np.ndarray) -> bytes:
    """Return the 24 bytes before the samples of a level 4 MATLAB file: int16, lead x time, real, named ``val``."""
    return struct.pack("<IIIII4s", 30, adc.shape[0], adc.shape[1], 0, 4, b"val\0")
