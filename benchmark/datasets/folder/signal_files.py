"""Recordings of a folder: WFDB by their headers, and arrays in NumPy, HDF5 and MATLAB files.

An array is ``lead x time`` or ``time x lead``: the side that is as long as the list of leads tells. Integers of at most
16 bits are kept with the gain that the description gives. Other numbers are rounded to microvolts, as CPSC2018 was.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from benchmark.api import LEADS, RawSignal
from benchmark.data.formats.arrays import raw_signal
from benchmark.data.formats.hdf5 import require_h5py
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.signals.few_leads import FURTHER
from benchmark.data.signals.signal import canonical_leads
from benchmark.datasets.folder.description import Signals
from benchmark.errors import DataError, RecordingError, did_you_mean

NUMPY, HDF5, MATLAB = (".npy", ".npz"), (".h5", ".hdf5", ".hdf"), (".mat",)


def is_array(path: PurePath) -> bool:
    """Whether a file holds arrays, which name neither leads nor unit; a WFDB record is named with or without ending."""
    return path.suffix.lower() in (*NUMPY, *HDF5, *MATLAB)


def read_signal(path: Path, row: int | None, signals: Signals) -> RawSignal:
    """Read one recording; raise `RecordingError` where its file is missing, broken or not what `signals` says.

    A ``.mat`` file with a header beside it is WFDB, as in the PhysioNet challenges.
    """
    header = path.parent / f"{path.stem}.hea" if path.suffix.lower() in (".hea", ".dat", *MATLAB) else None
    if header is not None and header.is_file():
        return _with_leads(read_wfdb(header.with_suffix("")), path, signals)
    if not is_array(path):
        return _with_leads(read_wfdb(path.with_suffix("") if path.suffix == ".hea" else path), path, signals)
    array = _read_array(path, signals.key, row)
    leads, gain = signals.leads, signals.per_millivolt()
    assert leads is not None and gain is not None  # the index was refused without them
    shaped = _lead_by_time(path, array, len(leads))
    return raw_signal(path, shaped, gain, signals.rate, tuple(leads), "is signals.unit right?")


def _with_leads(raw: RawSignal, path: Path, signals: Signals) -> RawSignal:
    """Return the recording with the description's names of leads where its header has none that anybody knows.

    A header that names leads is believed, in whatever order they lie there; one that contradicts is refused.
    """
    if signals.leads is None:
        return raw
    own, names = canonical_leads(raw.leads), canonical_leads(signals.leads)
    if sorted(own) == sorted(names):
        return raw
    remedy = "remove signals.leads: a header names its leads"
    if len(own) != len(names):
        problem = f"has {len(raw.leads)} leads ({', '.join(raw.leads)}), signals.leads names {len(signals.leads)}"
        raise RecordingError(path, problem, remedy)
    for name, other in zip(own, names, strict=True):
        if name in (*LEADS, *FURTHER) and name != other:
            raise RecordingError(path, f"its header has {name} where signals.leads has {other}", remedy)
    return RawSignal(raw.adc, raw.gain, raw.baseline, raw.rate, tuple(signals.leads))


def _lead_by_time(path: Path, array: np.ndarray, leads: int) -> np.ndarray:
    """Return the array as (lead, time)."""
    shape = " x ".join(map(str, array.shape)) or "a single number"
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise RecordingError(path, f"holds {array.dtype}, not real numbers", "save the samples as numbers")
    if array.ndim != 2 or 0 in array.shape or array.shape.count(leads) != 1:
        remedy = "name signals.key, the column columns.row for a file of many recordings, or all of signals.leads"
        raise RecordingError(path, f"holds {shape}, one of two sides must be the {leads} leads", remedy)
    return np.ascontiguousarray(array if array.shape[0] == leads else array.T)


# --- arrays --------------------------------------------------------------------------------------


def _read_array(path: Path, key: str | None, row: int | None) -> np.ndarray:
    """Return the array called `key`, or the only one; of many recordings the one at `row`."""
    suffix = path.suffix.lower()
    reader = _read_numpy if suffix in NUMPY else _read_hdf5 if suffix in HDF5 else _read_matlab
    try:
        return reader(path, key, row)
    except FileNotFoundError:
        raise RecordingError(path, "the file is missing", "correct the path in the index") from None
    except DataError:
        raise
    except Exception as error:  # scipy, h5py and zipfile raise many kinds on broken files
        problem = f"cannot be read: {str(error)[:200] or type(error).__name__}"
        raise RecordingError(path, problem, "copy it again") from None


def _read_numpy(path: Path, key: str | None, row: int | None) -> np.ndarray:
    """Read without unpickling: an array of objects is refused by numpy."""
    if not zipfile.is_zipfile(path):
        return _at(path, np.load(path, mmap_mode="r", allow_pickle=False), row)
    with np.load(path, allow_pickle=False) as archive:
        return _at(path, archive[_choose(path, key, archive.files)], row)


def _read_hdf5(path: Path, key: str | None, row: int | None) -> np.ndarray:
    h5py = require_h5py(path)
    with h5py.File(path, "r") as file:
        names: list[str] = []
        file.visititems(lambda name, entry: names.append(name) if isinstance(entry, h5py.Dataset) else None)
        return _at(path, file[_choose(path, key, names)], row)


def _read_matlab(path: Path, key: str | None, row: int | None) -> np.ndarray:
    import scipy.io

    with path.open("rb") as file:
        if b"MATLAB 7.3" in file.read(64):
            return _read_hdf5(path, key, row)
    variables: Mapping[str, Any] = scipy.io.loadmat(str(path))
    names = [name for name, value in variables.items() if not name.startswith("__")]
    return _at(path, variables[_choose(path, key, names)], row)


def _choose(path: Path, key: str | None, names: list[str]) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key is None:
        raise RecordingError(path, f"holds {len(names)} arrays ({', '.join(names[:8])})", "name one by signals.key")
    if key not in names:
        raise RecordingError(path, f"has no array {key!r}{did_you_mean(key, names)}", "correct signals.key")
    return key


def _at(path: Path, array: Any, row: int | None) -> np.ndarray:
    """Return the whole array, or the part at `row`; of a file on disk no more than that is read."""
    if row is None:
        return np.asarray(array)
    if not array.ndim or row >= array.shape[0]:
        count = array.shape[0] if array.ndim else 0
        raise RecordingError(path, f"has no row {row}, it holds {count}", "rows are counted from 0")
    return np.asarray(array[row])
