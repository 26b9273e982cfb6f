"""The WFDB reader against the wfdb package, and against broken files."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE, parse_header, read_wfdb
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
    actual, expected = read_wfdb(record), wfdb.rdrecord(str(record))
    millivolt = (actual.adc - actual.baseline[:, None]) / actual.gain[:, None]
    assert np.abs(millivolt.T - expected.p_signal).max() < 1e-9
    assert actual.rate == expected.fs and list(actual.leads) == expected.sig_name


@pytest.mark.parametrize("form", ["16", "212", "24"])
def test_other_formats_and_gains_equal_wfdb(tmp_path, form):
    signal = sample_recordings(1).numpy()[0].T.astype(np.float64)
    gains, zeros = [200.0 + i for i in range(12)], [i - 5 for i in range(12)]
    wfdb.wrsamp(
        "r", fs=100, units=["mV"] * 12, sig_name=[f"L{i}" for i in range(12)], p_signal=signal, fmt=[form] * 12,
        adc_gain=gains, baseline=zeros, write_dir=str(tmp_path),
    )  # fmt: skip
    actual, expected = read_wfdb(tmp_path / "r"), wfdb.rdrecord(str(tmp_path / "r"))
    millivolt = (actual.adc - actual.baseline[:, None]) / actual.gain[:, None]
    assert np.abs(millivolt.T - expected.p_signal).max() < 1e-9


@pytest.mark.parametrize("units, factor", [("uV", 1e3), ("V", 1e-3), ("mV", 1.0)])
def test_units_become_millivolt(record, units, factor):
    edit(record, "/mV", f"/{units}")
    assert read_wfdb(record).gain[0] == pytest.approx(1000.0 * factor)


UNITS = {"mV": 1.0, "uV": 1e3, "V": 1e-3, "": 1.0}


@st.composite
def headers(draw):
    """A legal header of three leads after header(5) in bytes, with its units' factors and the samples of its file."""
    gap = st.sampled_from([" ", "  ", "\t", " \t "])
    gain = st.sampled_from(["200", "200.0", "1e3", "2.5e2", "-400", "0", "0.0", "1000.5"])
    baseline = st.sampled_from(["", "(0)", "(-12)", "(2048)"])
    adc = draw(arrays(np.int16, (3, draw(st.integers(1, 5))), elements=st.integers(-32000, 32000)))
    record = ["r", "3", draw(st.sampled_from(["100", "500.0", "128.5", "360/72000(10)", "250/500"])), str(adc.shape[1])]
    record += ["12:30:01", "01/02/2020"]
    lines, factors = [draw(gap).join(record[: draw(st.integers(2, 6))])], []
    for row in range(3):
        unit = draw(st.sampled_from(list(UNITS)))
        checksum = str(int(adc[row].sum()) & 0xFFFF)
        line = ["r.dat", draw(st.sampled_from(["16", "16x1", "16+0", "16x1:0+0"]))]
        line += [draw(gain) + draw(baseline) + (f"/{unit}" if unit else "")]
        line += ["16", draw(st.sampled_from(["0", "-7", "1024"])), str(adc[row, 0]), checksum, "0"]
        line += [draw(st.sampled_from(["I", "aVR", "lead II", "V1 (chest)", "ECG 3"]))]
        fields = draw(st.integers(2, len(line)))
        factors.append(UNITS[unit] if fields > 2 else 1.0)
        lines.append(draw(gap).join(line[:fields]))
    for extra in draw(st.lists(st.sampled_from(["", "#Age: 50", "  # a remark", " \t", "#"]), max_size=4)):
        lines.insert(draw(st.integers(0, len(lines))), extra)
    return (draw(st.sampled_from(["\n", "\r\n"])).join(lines) + "\n").encode(), factors, adc


@settings(max_examples=150, deadline=None)
@given(headers())
def test_every_legal_header_is_read_as_wfdb_reads_it(example):
    content, factors, adc = example
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder, "r")
        stem.with_suffix(".hea").write_bytes(content)
        stem.with_suffix(".dat").write_bytes(adc.T.astype("<i2").tobytes())
        record, reference = read_wfdb(stem), wfdb.rdrecord(str(stem), physical=False)
        comments = parse_header(stem.with_suffix(".hea")).comments
    assert np.array_equal(record.adc, adc) and np.array_equal(record.adc.T, reference.d_signal)
    assert record.rate == reference.fs and list(comments) == reference.comments
    assert list(record.leads) == [name or "" for name in reference.sig_name]
    assert np.array_equal(record.baseline, reference.baseline)
    assert np.array_equal(record.gain, np.array(reference.adc_gain) * factors)


@pytest.mark.parametrize("micro", ["\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_microvolts_are_read_in_any_spelling_and_encoding(record, micro, encoding):
    if encoding == "latin-1" and micro != "\N{MICRO SIGN}":
        pytest.skip("Latin-1 has no Greek letters")
    path = record.with_name(record.name + ".hea")
    path.write_bytes(path.read_text().replace("/mV", f"/{micro}V").encode(encoding))
    assert (read_wfdb(record).gain == 1e6).all()


def test_an_adc_zero_with_a_point_is_the_whole_number(record):
    edit(record, "1000.0(0)/mV 16 0 ", "1000.0/mV 16 -5.0 ")
    signal = read_wfdb(record)
    assert (signal.baseline == -5).all() and signal.leads == PTBXL_LEADS


@pytest.mark.parametrize("line", ["12 100", "12 100 0", "12 100/200(3)"])
def test_without_a_number_of_samples_the_file_says_it(record, line):
    expected = read_wfdb(record).adc
    edit(record, "12 100 1000", line)
    assert np.array_equal(read_wfdb(record).adc, expected)
    signal = record.with_name(record.name + ".dat")
    signal.write_bytes(signal.read_bytes()[:-2])
    with pytest.raises(RecordingError, match="holds 11999 samples, its header announces samples of 12 leads"):
        read_wfdb(record)


@pytest.mark.parametrize("form", ["212", "16"])
def test_without_a_number_of_samples_other_formats_equal_wfdb(tmp_path, form):
    signal = sample_recordings(1).numpy()[0].T.astype(np.float64)
    names = [f"L{i}" for i in range(12)]
    wfdb.wrsamp("r", 100, ["mV"] * 12, names, p_signal=signal, fmt=[form] * 12, write_dir=str(tmp_path))
    edit(tmp_path / "r", "12 100 1000", "12 100")
    assert np.array_equal(read_wfdb(tmp_path / "r").adc.T, wfdb.rdrecord(str(tmp_path / "r"), physical=False).d_signal)


def test_a_real_recording_equals_wfdb(shared):
    stem = next((shared / "data" / "ptb-xl" / "records500").rglob("*.hea")).with_suffix("")
    actual, expected = read_wfdb(stem), wfdb.rdrecord(str(stem), physical=False)
    assert np.array_equal(actual.adc.T, expected.d_signal) and actual.adc.shape == (12, 5000)


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
        ("12 100 1000", "12 100 -1"),
        ("12 100 1000", "12 1_00 1000"),
        ("12 100 1000", "12 100 many"),
        ("12 100 1000", "twelve 100 1000"),
        ("00001_lr 12", "00001_lr/3 12"),
        ("12 100 1000", "12 -100 1000"),
        ("12 100 1000", "13 100 1000"),
        ("1000.0(0)/mV", "abc/mV"),
        ("1000.0(0)/mV", "1000.0(0)/furlong"),
        ("1000.0(0)/mV", "nan/mV"),
        (".dat 16 ", ".dat sixteen "),
        ("1000.0(0)/mV 16 0 ", "1000.0/mV 16 0.5 "),
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


@pytest.mark.parametrize("form", ["16", "24", "32", "80", "212"])
def test_missing_samples_are_missing_in_every_format(tmp_path, form):
    signal = sample_recordings(1).numpy()[0, :2].T.astype(np.float64)
    signal[20:40, 1] = np.nan
    wfdb.wrsamp(
        "r", fs=100, units=["mV"] * 2, sig_name=["I", "II"], p_signal=signal, fmt=[form] * 2,
        adc_gain=[25.0] * 2, baseline=[0] * 2, write_dir=str(tmp_path),
    )  # fmt: skip
    missing = read_wfdb(tmp_path / "r").adc == MISSING_SAMPLE
    assert not missing[0].any() and np.flatnonzero(missing[1]).tolist() == list(range(20, 40))
