"""Read one WFDB recording, about ten times faster than the wfdb package for its plainest form.

Header syntax after the WFDB header specification (physionet.org, header(5)). Format 16 in one file (`.dat`,
or the `.mat` of the PhysioNet challenges, whose 24 bytes of MATLAB 4 header the `.hea` skips as ``16+24``) is
read here with numpy, and its checksums are verified; every other format goes to `wfdb`. What a header
announces is compared with the size of its file before anything is read, so that a broken header costs no memory.
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

HEADER_BYTES = 1 << 16  # a header of 12 leads has about a thousand
GAINS = (1e-3, 1e9)  # units per millivolt; a gain outside is a broken header
INT32 = (-(2**31), 2**31 - 1)
PACKING = 32  # samples per byte of file that not even a compressed format reaches

_GAIN = re.compile(r"^(?P<gain>[-+.\deE]+)(\((?P<baseline>-?\d+)\))?(/(?P<units>\S+))?$", re.ASCII)
_FORMAT = re.compile(r"^(?P<format>\d+)(?P<timing>(x\d+)?(:\d+)?)(\+(?P<offset>\d+))?$", re.ASCII)
_DOWNLOAD = "download it again"


@dataclass(frozen=True)
class SignalLine:
    """One lead of a header."""

    file: str
    format: int
    plain: bool  # one sample per frame and no skew
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
    comments: tuple[str, ...] = ()  # without their #

    def comment(self, field: str) -> str:
        """The text behind ``#field:`` or ``# field:``; "" where there is none."""
        found = (line.partition(":") for line in self.comments)
        return next((text.strip() for name, _, text in found if name.strip().lower() == field.lower()), "")


def read_wfdb(stem: Path) -> RawSignal:
    """Read ``stem.hea`` and the signal it names; raise `RecordingError` when they disagree."""
    path = stem.parent / f"{stem.name}.hea"
    header = parse_header(path)
    one_file = len({line.file for line in header.signals}) == 1
    plain = one_file and all(line.format == 16 and line.plain for line in header.signals)
    adc = _read_format_16(path, header) if plain else _read_with_wfdb(stem, header)
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
    lines = [line for line in _header_text(path).splitlines() if line.strip()]
    comments = tuple(line.strip("# \t") for line in lines if line[0] == "#")
    lines = [line for line in lines if line[0] != "#"] if comments else lines
    try:
        record = lines[0].split()
        count, rate, samples = int(record[1]), float(re.split(r"[/(]", record[2])[0]), int(record[3])
    except (IndexError, ValueError):
        raise RecordingError(path, "the first line must read 'name leads rate samples'", _DOWNLOAD) from None
    if len(lines) - 1 < count or count < 1 or not np.isfinite(rate) or rate <= 0 or samples < 1:
        problem = f"announces {count} leads of {samples} samples at {rate:g} Hz and describes {len(lines) - 1} leads"
        raise RecordingError(path, problem, _DOWNLOAD)
    signals = tuple(_parse_signal_line(path, line) for line in lines[1 : count + 1])
    return Header(rate, samples, signals, comments)


def _header_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(HEADER_BYTES + 1)
    except FileNotFoundError:
        raise RecordingError(path, "the header is missing", _DOWNLOAD) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise RecordingError(path, f"cannot be read: {error}", _DOWNLOAD) from None
    if len(content) > HEADER_BYTES:
        raise RecordingError(path, f"is no header: it has more than {HEADER_BYTES} bytes", _DOWNLOAD)
    return content.decode("utf-8", "replace")


def _parse_signal_line(path: Path, line: str) -> SignalLine:
    fields = line.split(maxsplit=8)
    try:
        number, plain, offset = parse_format(fields[1])
        gain, baseline = parse_gain(fields[2] if len(fields) > 2 else "0", fields[4] if len(fields) > 4 else "0")
        checksum = int(fields[6]) if len(fields) > 6 else None
    except (IndexError, KeyError, ValueError):
        raise RecordingError(path, f"cannot read the lead line {line[:200]!r}", _DOWNLOAD) from None
    lead = fields[8].strip() if len(fields) > 8 else ""
    return SignalLine(fields[0], number, plain, offset, gain, baseline, checksum, lead)


# The leads of a dataset repeat a handful of formats and gains; parsing each text once halves the time of a header.
@lru_cache(maxsize=1024)
def parse_format(text: str) -> tuple[int, bool, int]:
    """``"16+24"`` -> (16, True, 24): format, whether samples stand one by one, bytes before the first sample."""
    match = _FORMAT.match(text)
    if match is None:
        raise ValueError(text)
    return int(match["format"]), match["timing"] in ("", "x1"), int(match["offset"] or 0)


@lru_cache(maxsize=1024)
def parse_gain(text: str, zero: str) -> tuple[float, int]:
    """``"1000.0(0)/mV"`` -> (units per millivolt, baseline); without a baseline the converter's `zero` serves."""
    match = _GAIN.match(text)
    if match is None:
        raise ValueError(text)
    gain = (float(match["gain"]) or DEFAULT_GAIN) * VOLT_UNITS_IN_A_MILLIVOLT[(match["units"] or "mV").lower()]
    baseline = int(match["baseline"] or zero)
    if not GAINS[0] <= abs(gain) <= GAINS[1] or not INT32[0] <= baseline <= INT32[1]:
        raise ValueError(text)
    return gain, baseline


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        raise RecordingError(file, "the signal file that the header names is missing", _DOWNLOAD) from None
    except (OSError, ValueError) as error:
        raise RecordingError(file, f"cannot be read: {error}", _DOWNLOAD) from None


def _read_format_16(path: Path, header: Header) -> np.ndarray:
    first = header.signals[0]
    file = path.parent / first.file
    leads = len(header.signals)
    held = max(_size(file) - first.offset, 0) // 2
    if held != leads * header.samples:
        problem = f"holds {held} samples, its header announces {leads} x {header.samples}"
        raise RecordingError(file, problem, "truncated or of another recording: download it again")
    try:
        flat = np.fromfile(file, dtype="<i2", count=held, offset=first.offset)
    except (OSError, ValueError) as error:
        raise RecordingError(file, f"cannot be read: {error}", _DOWNLOAD) from None
    return np.ascontiguousarray(flat.reshape(header.samples, leads).T)


def _read_with_wfdb(stem: Path, header: Header) -> np.ndarray:
    held = sum(_size(stem.parent / name) for name in {line.file for line in header.signals})
    if len(header.signals) * header.samples > held * PACKING:
        problem = f"announces {len(header.signals)} x {header.samples} samples, its files hold {held} bytes"
        raise RecordingError(f"{stem}.hea", problem, _DOWNLOAD)
    import wfdb

    try:
        record = wfdb.rdrecord(str(stem), physical=False)
        digital = np.asarray(record.d_signal).T
        low, high = digital.min(), digital.max()
    except Exception as error:  # wfdb raises many kinds on broken files
        raise RecordingError(f"{stem}.hea", f"wfdb cannot read it: {error}", _DOWNLOAD) from error
    if low < -32768 or high > 32767:
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
        raise RecordingError(path, f"checksum disagrees with the signal in {', '.join(wrong)}", _DOWNLOAD)
