"""The WFDB reader against the wfdb package, and against broken files."""

import numpy as np
import pytest
import wfdb

from benchmark.data.formats.wfdb_reader import parse_header, read_wfdb
from benchmark.errors import RecordingError
from benchmark.testing import sample_recordings, write_record
from benchmark.testing.ptbxl import PTBXL_LEADS


@pytest.fixture
def record(tmp_path):
    adc = np.round(sample_recordings(1).numpy()[0] * 1000).astype(np.int16)
    write_record(tmp_path / "00001_lr", adc, leads=PTBXL_LEADS)
    return tmp_path / "00001_lr"


def edit(record, old, new):
    path = record.with_name(record.name + ".hea")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_equals_wfdb(record):
    ours, theirs = read_wfdb(record), wfdb.rdrecord(str(record))
    millivolt = (ours.adc - ours.baseline[:, None]) / ours.gain[:, None]
    assert np.abs(millivolt.T - theirs.p_signal).max() < 1e-9
    assert ours.rate == theirs.fs and list(ours.leads) == theirs.sig_name


@pytest.mark.parametrize("form", ["16", "212", "24"])
def test_other_formats_and_gains_equal_wfdb(tmp_path, form):
    signal = sample_recordings(1).numpy()[0].T.astype(np.float64)
    gains, zeros = [200.0 + i for i in range(12)], [i - 5 for i in range(12)]
    wfdb.wrsamp(
        "r", fs=100, units=["mV"] * 12, sig_name=[f"L{i}" for i in range(12)], p_signal=signal, fmt=[form] * 12,
        adc_gain=gains, baseline=zeros, write_dir=str(tmp_path),
    )  # fmt: skip
    ours, theirs = read_wfdb(tmp_path / "r"), wfdb.rdrecord(str(tmp_path / "r"))
    millivolt = (ours.adc - ours.baseline[:, None]) / ours.gain[:, None]
    assert np.abs(millivolt.T - theirs.p_signal).max() < 1e-9


@pytest.mark.parametrize("units, factor", [("uV", 1e3), ("V", 1e-3), ("mV", 1.0)])
def test_units_become_millivolt(record, units, factor):
    edit(record, "/mV", f"/{units}")
    assert read_wfdb(record).gain[0] == pytest.approx(1000.0 * factor)


def test_a_real_recording_equals_wfdb(shared):
    stem = next((shared / "data" / "ptb-xl" / "records500").rglob("*.hea")).with_suffix("")
    ours, theirs = read_wfdb(stem), wfdb.rdrecord(str(stem), physical=False)
    assert np.array_equal(ours.adc.T, theirs.d_signal) and ours.adc.shape == (12, 5000)


def test_a_truncated_signal_names_file_sizes_and_remedy(record):
    path = record.with_name(record.name + ".dat")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RecordingError, match=r"00001_lr.dat: holds 11950 samples, its header announces 12 x 1000"):
        read_wfdb(record)


def test_missing_files_are_named(record):
    record.with_name(record.name + ".dat").unlink()
    with pytest.raises(RecordingError, match=r"00001_lr.dat: the signal file .* is missing"):
        read_wfdb(record)
    record.with_name(record.name + ".hea").unlink()
    with pytest.raises(RecordingError, match=r"00001_lr.hea: the header is missing"):
        read_wfdb(record)


def test_a_header_that_disagrees_with_its_signal_names_the_lead(record):
    path = record.with_name(record.name + ".dat")
    samples = np.fromfile(path, "<i2").reshape(1000, 12)
    samples[7, 3] += 1
    samples.tofile(path)
    with pytest.raises(RecordingError, match="checksum disagrees with the signal in AVR"):
        read_wfdb(record)


def test_swapped_lines_of_a_header_are_noticed(record):
    path = record.with_name(record.name + ".hea")
    lines = path.read_text().splitlines()
    names = [line.split()[-1] for line in lines[1:3]]
    lines[1], lines[2] = lines[2], lines[1]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordingError, match=f"checksum .* {names[1]}, {names[0]}"):
        read_wfdb(record)


@pytest.mark.parametrize(
    "old, new",
    [
        ("12 100 1000", "12 100"),
        ("12 100 1000", "twelve 100 1000"),
        ("12 100 1000", "12 -100 1000"),
        ("12 100 1000", "13 100 1000"),
        ("1000.0(0)/mV", "abc/mV"),
        ("1000.0(0)/mV", "1000.0(0)/furlong"),
        ("1000.0(0)/mV", "nan/mV"),
        (".dat 16 ", ".dat sixteen "),
    ],
)
def test_broken_headers_are_one_clear_error(record, old, new):
    edit(record, old, new)
    with pytest.raises(RecordingError, match=r"00001_lr.hea: "):
        read_wfdb(record)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"# only a comment\n", b"\n\n"])
def test_garbage_is_a_recording_error(tmp_path, content):
    (tmp_path / "x.hea").write_bytes(content)
    with pytest.raises(RecordingError):
        parse_header(tmp_path / "x.hea")
