"""The reader of the original CPSC2018 files, against scipy and against broken files."""

import zlib

import numpy as np
import pytest
import scipy.io

from benchmark.data.formats.matlab5 import read_matlab_ecg, read_matlab_person
from benchmark.errors import RecordingError
from benchmark.testing.cpsc2018 import matlab_file

SIGNAL = np.random.default_rng(0).normal(size=(12, 50))


@pytest.mark.parametrize("compressed", [True, False])
def test_files_by_scipy_are_read(tmp_path, compressed):
    content = {"ECG": {"sex": "Female", "age": 63.0, "data": SIGNAL}}
    scipy.io.savemat(tmp_path / "A0001.mat", content, do_compression=compressed)
    result = read_matlab_ecg(tmp_path / "A0001.mat")
    assert np.array_equal(result.millivolt, SIGNAL) and result.sex == "Female" and result.age == 63


def test_the_fake_is_what_scipy_reads(tmp_path):
    (tmp_path / "a.mat").write_bytes(matlab_file(SIGNAL, "Male", 52))
    expected = scipy.io.loadmat(tmp_path / "a.mat")["ECG"][0, 0]
    actual = read_matlab_ecg(tmp_path / "a.mat")
    assert np.array_equal(expected["data"], SIGNAL) and np.array_equal(actual.millivolt, SIGNAL)
    assert str(expected["sex"][0]) == actual.sex == "Male" and actual.age == int(expected["age"][0, 0]) == 52


def test_real_files_equal_scipy(shared):
    for path in sorted((shared / "data" / "cpsc2018" / "native_mat").glob("*.mat")):
        expected, actual = scipy.io.loadmat(path)["ECG"][0, 0], read_matlab_ecg(path)
        assert np.array_equal(expected["data"], actual.millivolt)
        assert str(expected["sex"][0]) == actual.sex and float(expected["age"][0, 0]) == actual.age
        assert read_matlab_person(path) == (actual.sex, actual.age)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda good: good[:60], "header is not that of"),
        (lambda good: good[:-30], "longer than the file"),
        (lambda good: good[:140] + b"\xff" * 40 + good[180:], "no MATLAB file"),
        (lambda good: good[:128], "no struct with a field"),
        (lambda good: bomb(good, bytes(2_000_000)), "too large"),
        (lambda good: bomb(good, b"\x01\x00\x00\x00\x00\x00\x00\x00" * 100), "too many elements"),
    ],
)
def test_broken_files_are_one_clear_error(tmp_path, monkeypatch, change, words):
    monkeypatch.setattr("benchmark.data.formats.matlab5.UNPACKED_BYTES", 1_000_000)
    path = tmp_path / "a.mat"
    path.write_bytes(change(matlab_file(SIGNAL, "Male", 52)))
    with pytest.raises(RecordingError, match=words):
        read_matlab_ecg(path)


def bomb(good: bytes, content: bytes) -> bytes:
    archive = zlib.compress(content)
    return good[:128] + (15).to_bytes(4, "little") + len(archive).to_bytes(4, "little") + archive


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"a.mat: the signal file is missing"):
        read_matlab_ecg(tmp_path / "a.mat")
