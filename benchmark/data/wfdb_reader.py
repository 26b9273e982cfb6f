"""Read one WFDB recording, about ten times faster than the wfdb package for its plainest form.

Header syntax after the WFDB header specification (physionet.org, header(5)). Format 16 in one `.dat`
file is read here with numpy, and its checksums are verified; every other format goes to `wfdb`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmark.api import RawSignal
from benchmark.errors import RecordingError

MISSING_SAMPLE = -32768  # format 16's code for "no value here"
DEFAULT_GAIN = 200.0  # what WFDB means by a gain of 0 or none
VOLT_UNITS_IN_A_MILLIVOLT = {"mv": 1.0, "uv": 1e3, "µv": 1e3, "v": 1e-3}

_GAIN = re.compile(r"^(?P<gain>[-+.\deE]+)(\((?P<baseline>-?\d+)\))?(/(?P<units>\S+))?$")
_FORMAT = re.compile(r"^(?P<format>\d+)(x\d+)?(:\d+)?(\+(?P<offset>\d+))?$")


@dataclass(frozen=True)
class SignalLine:
    """One lead of a header."""

    file: str
    format: int
    offset: int  # bytes before the first sample
    gain: float  # units per millivolt
    baseline: int
    checksum: int | None
    lead: str


@dataclass(frozen=True)
class Header:
    rate: float  # Hz
    samples: int
    signals: tuple[SignalLine, ...]


def read_record(stem: Path) -> RawSignal:
    """Read ``stem.hea`` and the signal it names; raise `RecordingError` when they disagree."""
    path = stem.parent / f"{stem.name}.hea"
    header = parse_header(path)
    plain = len({line.file for line in header.signals}) == 1 and all(line.format == 16 for line in header.signals)
    adc = _read_format_16(path, header) if plain else _read_with_wfdb(stem)
    _verify_checksums(path, header, adc)
    return RawSignal(
        adc=adc,
        gain=np.array([line.gain for line in header.signals]),
        baseline=np.array([line.baseline for line in header.signals]),
        rate=header.rate,
        leads=tuple(line.lead for line in header.signals),
    )


def parse_header(path: Path) -> Header:
    """Parse a single-segment WFDB header."""
    try:
        lines = [line for line in path.read_text("utf-8", "replace").splitlines() if line.strip() and line[0] != "#"]
    except FileNotFoundError:
        raise RecordingError(path, "the header is missing", "download it again") from None
    try:
        record = lines[0].split()
        count, rate, samples = int(record[1]), float(re.split(r"[/(]", record[2])[0]), int(record[3])
    except (IndexError, ValueError):
        raise RecordingError(path, "the first line must read 'name leads rate samples'", "download it again") from None
    if len(lines) - 1 < count or count < 1 or not np.isfinite(rate) or rate <= 0 or samples < 1:
        problem = f"announces {count} leads of {samples} samples at {rate:g} Hz and describes {len(lines) - 1} leads"
        raise RecordingError(path, problem, "download it again")
    return Header(rate, samples, tuple(_parse_signal_line(path, line) for line in lines[1 : count + 1]))


def _parse_signal_line(path: Path, line: str) -> SignalLine:
    fields = line.split(maxsplit=8)
    try:
        number, offset = parse_format(fields[1])
        gain, baseline = parse_gain(fields[2] if len(fields) > 2 else "0", fields[4] if len(fields) > 4 else "0")
        checksum = int(fields[6]) if len(fields) > 6 else None
    except (IndexError, KeyError, ValueError):
        raise RecordingError(path, f"cannot read the lead line {line!r}", "download it again") from None
    return SignalLine(fields[0], number, offset, gain, baseline, checksum, fields[8].strip() if len(fields) > 8 else "")


# The leads of a dataset repeat a handful of formats and gains; parsing each text once halves the time of a header.
@lru_cache(maxsize=1024)
def parse_format(text: str) -> tuple[int, int]:
    """``"16+24"`` -> (16, 24): the format and the bytes before the first sample."""
    match = _FORMAT.match(text)
    if match is None:
        raise ValueError(text)
    return int(match["format"]), int(match["offset"] or 0)


@lru_cache(maxsize=1024)
def parse_gain(text: str, zero: str) -> tuple[float, int]:
    """``"1000.0(0)/mV"`` -> (units per millivolt, baseline); without a baseline the converter's `zero` serves."""
    match = _GAIN.match(text)
    if match is None:
        raise ValueError(text)
    gain = (float(match["gain"]) or DEFAULT_GAIN) * VOLT_UNITS_IN_A_MILLIVOLT[(match["units"] or "mV").lower()]
    if not np.isfinite(gain) or gain == 0:
        raise ValueError(text)
    return gain, int(match["baseline"] or zero)


def _read_format_16(path: Path, header: Header) -> np.ndarray:
    first = header.signals[0]
    file = path.parent / first.file
    leads = len(header.signals)
    try:
        flat = np.fromfile(file, dtype="<i2", offset=first.offset)
    except FileNotFoundError:
        raise RecordingError(file, "the signal file that the header names is missing", "download it again") from None
    except (OSError, ValueError) as error:
        raise RecordingError(file, f"cannot be read: {error}", "download it again") from None
    if flat.size != leads * header.samples:
        problem = f"holds {flat.size} samples, its header announces {leads} x {header.samples}"
        raise RecordingError(file, problem, "truncated or of another recording: download it again")
    return np.ascontiguousarray(flat.reshape(header.samples, leads).T)


def _read_with_wfdb(stem: Path) -> np.ndarray:
    import wfdb

    try:
        record = wfdb.rdrecord(str(stem), physical=False)
    except Exception as error:  # wfdb raises many kinds on broken files
        raise RecordingError(f"{stem}.hea", f"wfdb cannot read it: {error}", "download it again") from error
    digital = np.asarray(record.d_signal).T
    if digital.min() < -32768 or digital.max() > 32767:
        raise RecordingError(f"{stem}.hea", "holds samples of more than 16 bits", "this store keeps int16")
    return np.ascontiguousarray(digital.astype(np.int16))


def _verify_checksums(path: Path, header: Header, adc: np.ndarray) -> None:
    sums = adc.sum(axis=1, dtype=np.int64) & 0xFFFF
    wrong = [
        line.lead or str(index)
        for index, (line, total) in enumerate(zip(header.signals, sums, strict=True))
        if line.checksum is not None and line.checksum & 0xFFFF != total
    ]
    if wrong:
        raise RecordingError(path, f"checksum disagrees with the signal in {', '.join(wrong)}", "download it again")
