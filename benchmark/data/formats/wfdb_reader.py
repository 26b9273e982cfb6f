"""Reader of single WFDB recordings, about ten times faster than the wfdb package for the plainest format.

Header syntax and defaults after the WFDB header specification (physionet.org, header(5)). Format 16 in one file
(`.dat`, or the `.mat` of the PhysioNet challenges, whose 24 bytes of MATLAB 4 header the `.hea` skips as ``16+24``)
is read here with numpy; every other format goes to `wfdb`. Checksums are verified. The size that a header
announces is compared with that of its file before anything is read, so that a broken header costs no memory.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmark.api import RawSignal
from benchmark.errors import RecordingError

MISSING_SAMPLE = -32768  # format 16's code for "no value here"
BITS = {80: 8, 508: 8, 310: 10, 311: 10, 212: 12, 24: 24, 524: 24, 32: 32}  # of formats with other widths than 16
DEFAULT_GAIN = 200.0  # the WFDB default for a gain of 0 or none
DEFAULT_RATE = 250.0  # Hz, for headers without a rate
UNITS_IN_A_MILLIVOLT = {"mv": 1.0, "uv": 1e3, "\N{GREEK SMALL LETTER MU}v": 1e3, "v": 1e-3}  # casefolded: µ becomes μ

FASTEST = 1e6  # Hz; a rate above is a broken header
HEADER_BYTES = 1 << 16  # upper limit; a header of 12 leads has about a thousand
GAINS = (1e-3, 1e9)  # units per millivolt; a gain outside is a broken header
INT32 = (-(2**31), 2**31 - 1)
PACKING = 32  # samples per byte of file, out of reach even for a compressed format

_NUMBER = re.compile(r"^(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"^[-+]?\d+(\.0*)?$", re.ASCII)  # some programs write an ADC zero of 0.0
_GAIN = re.compile(r"^(?P<gain>[-+.\deE]+)(\((?P<baseline>[-+]?\d+(\.0*)?)\))?(/(?P<units>\S+))?$", re.ASCII)
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
    samples: int | None  # per lead; None: as many as the file holds
    signals: tuple[SignalLine, ...]
    comments: tuple[str, ...] = ()  # without their #

    def comment(self, field: str) -> str:
        """Return the text after the first ``#field:`` or ``# field:``; "" if there is none."""
        return next(iter(self.all_comments(field)), "")

    def all_comments(self, field: str) -> list[str]:
        """Return the texts after every ``#field:``: a list of diagnoses may continue in a second one."""
        parts = (line.partition(":") for line in self.comments)
        return [text.strip() for name, _, text in parts if name.strip().lower() == field.lower()]


def read_wfdb(stem: Path) -> RawSignal:
    """Read ``stem.hea`` and the signal it names; raise `RecordingError` if they disagree or cannot be read."""
    path = stem.parent / f"{stem.name}.hea"
    header = parse_header(path)
    one_file = len({line.file for line in header.signals}) == 1
    plain = one_file and all(line.format == 16 and line.plain for line in header.signals)
    adc = _read_format_16(path, header) if plain else _read_with_wfdb(stem, header)
    _verify_checksums(path, header, adc)
    adc = adc if plain else _with_missing_samples(path, header, adc)
    return RawSignal(
        adc=adc,
        gain=np.array([line.gain for line in header.signals]),
        baseline=np.array([line.baseline for line in header.signals]),
        rate=header.rate,
        leads=tuple(line.lead for line in header.signals),
    )


def parse_header(path: Path) -> Header:
    """Parse a single-segment WFDB header."""
    lines = [stripped for line in _header_text(path).splitlines() if (stripped := line.strip())]
    comments = tuple(line.strip("# \t") for line in lines if line[0] == "#")
    lines = [line for line in lines if line[0] != "#"] if comments else lines
    count, rate, samples = _parse_record_line(path, lines[0] if lines else "")
    if len(lines) - 1 < count or count < 1 or not 0 < rate <= FASTEST:
        problem = f"announces {count} leads at {rate:g} Hz and describes {len(lines) - 1} leads"
        raise RecordingError(path, problem, _DOWNLOAD)
    signals = tuple(_parse_signal_line(path, line) for line in lines[1 : count + 1])
    return Header(rate, samples, signals, comments)


def _parse_record_line(path: Path, line: str) -> tuple[int, float, int | None]:
    """Return leads, rate in Hz, samples per lead; the last two are optional, and 0 samples also mean unknown."""
    name, *fields = line.split()[:4] or [""]
    if "/" in name:
        raise RecordingError(path, "is in several segments", "this project reads recordings of one segment")
    try:
        count, rate = _whole(fields[0]), DEFAULT_RATE
        samples = _whole(fields[2]) if len(fields) > 2 else 0
        if len(fields) > 1:
            rate = _number(re.split(r"[/(]", fields[1])[0])  # followed by a counter's frequency and base
    except (IndexError, ValueError):
        raise RecordingError(path, "the first line must read 'name leads rate samples'", _DOWNLOAD) from None
    if samples < 0:
        raise RecordingError(path, f"announces {samples} samples", _DOWNLOAD)
    return count, rate, samples or None


def _whole(text: str) -> int:
    """Convert ``"12"`` or ``"12.0"`` to 12."""
    if not _WHOLE.match(text):
        raise ValueError(text)
    return int(text.partition(".")[0])


def _number(text: str) -> float:
    if not _NUMBER.match(text):
        raise ValueError(text)
    return float(text)


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
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # the µ of a unit, the name of a lead
        return content.decode("latin-1")


def _parse_signal_line(path: Path, line: str) -> SignalLine:
    fields = line.split(maxsplit=8)
    # resolution, ADC zero, first sample, checksum, block size
    numbers, lead = fields[3:8], fields[8] if len(fields) > 8 else ""
    if not lead or not _WHOLE.match(fields[7]):  # trailing fields are optional
        numbers = list(itertools.takewhile(_WHOLE.match, numbers))
        lead = "".join(line.split(maxsplit=3 + len(numbers))[3 + len(numbers) :])
    try:
        number, plain, offset = parse_format(fields[1])
        gain, baseline = parse_gain(fields[2] if len(fields) > 2 else "0", numbers[1] if len(numbers) > 1 else "0")
        checksum = _whole(numbers[3]) if len(numbers) > 3 else None
    except (IndexError, KeyError, ValueError):
        raise RecordingError(path, f"cannot read the lead line {line[:200]!r}", _DOWNLOAD) from None
    return SignalLine(fields[0], number, plain, offset, gain, baseline, checksum, lead.strip())


# The leads of a dataset repeat a few formats and gains; parsing each text once halves the time per header.
@lru_cache(maxsize=1024)
def parse_format(text: str) -> tuple[int, bool, int]:
    """Parse ``"16+24"`` to (16, True, 24): format, whether one sample per frame without skew, bytes to skip."""
    match = _FORMAT.match(text)
    if match is None:
        raise ValueError(text)
    return int(match["format"]), match["timing"] in ("", "x1"), int(match["offset"] or 0)


@lru_cache(maxsize=1024)
def parse_gain(text: str, zero: str) -> tuple[float, int]:
    """Parse ``"1000.0(0)/mV"`` to (units per millivolt, baseline); the default baseline is the ADC's `zero`."""
    match = _GAIN.match(text)
    if match is None:
        raise ValueError(text)
    gain = (float(match["gain"]) or DEFAULT_GAIN) * UNITS_IN_A_MILLIVOLT[(match["units"] or "mV").casefold()]
    baseline = _whole(match["baseline"] or zero)
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
    available = max(_size(file) - first.offset, 0) // 2
    samples = available // leads if header.samples is None else header.samples
    if available != leads * samples or not available:
        announced = f"{leads} x {header.samples}" if header.samples else f"samples of {leads} leads"
        problem = f"holds {available} samples, its header announces {announced}"
        raise RecordingError(file, problem, "truncated or of another recording: download it again")
    try:
        flat = np.fromfile(file, dtype="<i2", count=available, offset=first.offset)
    except (OSError, ValueError) as error:
        raise RecordingError(file, f"cannot be read: {error}", _DOWNLOAD) from None
    return np.ascontiguousarray(flat.reshape(samples, leads).T)


def _read_with_wfdb(stem: Path, header: Header) -> np.ndarray:
    """Return the samples ``(lead, time)`` as the file holds them, in as many bits as its format has."""
    available = sum(_size(stem.parent / name) for name in {line.file for line in header.signals})
    if len(header.signals) * (header.samples or 0) > available * PACKING:
        problem = f"announces {len(header.signals)} x {header.samples} samples, its files hold {available} bytes"
        raise RecordingError(f"{stem}.hea", problem, _DOWNLOAD)
    import wfdb

    try:
        digital = np.asarray(wfdb.rdrecord(str(stem), physical=False).d_signal, np.int64)
    except Exception as error:  # wfdb raises many kinds on broken files
        raise RecordingError(f"{stem}.hea", f"wfdb cannot read it: {error}", _DOWNLOAD) from error
    if digital.ndim != 2 or not digital.size:
        raise RecordingError(f"{stem}.hea", "holds no samples", _DOWNLOAD)
    return digital.T


def _with_missing_samples(path: Path, header: Header, digital: np.ndarray) -> np.ndarray:
    """Return int16 samples, in which a format's smallest number, its code for "no value", is `MISSING_SAMPLE`."""
    codes = np.array([-(2 ** (BITS.get(line.format, 16) - 1)) for line in header.signals])
    adc = np.where(digital == codes[:, None], MISSING_SAMPLE, digital)
    if adc.min() < MISSING_SAMPLE or adc.max() > 32767:
        raise RecordingError(path, "holds samples of more than 16 bits", "this store keeps int16")
    return np.ascontiguousarray(adc.astype(np.int16))


def _verify_checksums(path: Path, header: Header, adc: np.ndarray) -> None:
    if header.samples is None:  # then the specification gives its checksums no meaning
        return
    sums = adc.sum(axis=1, dtype=np.int64) & 0xFFFF
    wrong = [
        line.lead or str(index)
        for index, (line, total) in enumerate(zip(header.signals, sums, strict=True))
        if line.checksum is not None and line.checksum & 0xFFFF != total
    ]
    if wrong:
        raise RecordingError(path, f"checksum disagrees with the signal in {', '.join(wrong)}", _DOWNLOAD)
