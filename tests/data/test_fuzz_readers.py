"""Mutated headers, MATLAB files and tables never end in anything but the project's own errors.

A short run; ``ECGARENA_FUZZ=50000`` makes it a long one, as does tests/fuzz/readers.py.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.data.formats.wfdb_reader import parse_header, read_wfdb
from benchmark.errors import RecordingError
from benchmark.testing import write_record

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.readers import fuzz

INPUTS = int(os.environ.get("ECGARENA_FUZZ", "2400"))


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_read_or_refused():
    outcome, faults = fuzz(INPUTS, seed=int(os.environ.get("ECGARENA_FUZZ_SEED", "0")))
    assert not faults, "\n".join(faults[:5])
    assert sum(outcome.values()) >= INPUTS * 0.95 and len(outcome) > 16


numbers = st.one_of(st.integers(-(10**20), 10**20).map(str), st.floats().map(str), st.text(max_size=8))
forms = st.one_of(st.sampled_from(["16", "16+24", "212", "16x2", "16:3", "80", "516"]), st.text(max_size=6))
gains = st.one_of(st.sampled_from(["200", "1000/mV", "1000.0(0)/mV", "0", "1e-300/mV"]), st.text(max_size=12))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(numbers, max_size=5), form=forms, gain=gains, zero=numbers, comment=st.text(max_size=30))
def test_any_header_is_read_or_refused(tmp_path, first, form, gain, zero, comment):
    adc = np.arange(24, dtype=np.int16).reshape(12, 2)
    write_record(tmp_path / "r", adc)
    lines = (tmp_path / "r.hea").read_text().splitlines()
    head = lines[0].split()
    head[1 : 1 + len(first)] = first
    lines[1] = f"r.dat {form} {gain} 16 {zero} 0 0 0 I"
    (tmp_path / "r.hea").write_bytes("\n".join([" ".join(head), *lines[1:], f"#{comment}"]).encode("utf-8", "replace"))
    try:
        parse_header(tmp_path / "r.hea")
        result = read_wfdb(tmp_path / "r")
    except RecordingError:
        return
    assert result.adc.dtype == np.int16 and result.gain.dtype == float and result.baseline.dtype.kind == "i"
    assert np.isfinite(result.gain).all() and (result.gain != 0).all()
