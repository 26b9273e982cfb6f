"""Access to HDF5 files through h5py, which only users of such files need to install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import DataError, RecordingError, did_you_mean


def require_h5py(path: Path) -> Any:
    """Return the module h5py; raise `DataError` that says how to install it, on account of what lies at `path`."""
    try:
        import h5py
    except ImportError:
        words = "has HDF5 files, which need" if path.is_dir() else "is an HDF5 file, which needs"
        raise DataError(f"{path} {words} h5py to be read: pip install h5py") from None
    return h5py


def read_hdf5(path: Path, name: str, row: int | None = None) -> np.ndarray:
    """Return the array called `name`, or one row of it; raise `RecordingError` where that cannot be read."""
    h5py = require_h5py(path)
    try:
        with h5py.File(path, "r") as file:
            if name not in file:
                problem = f"has no array {name!r}{did_you_mean(name, list(file))}"
                raise RecordingError(path, problem, "download it again")
            return np.asarray(file[name][() if row is None else row])
    except FileNotFoundError:
        raise RecordingError(path, "the file is missing", "download it again") from None
    except RecordingError:
        raise
    except Exception as error:  # h5py raises many kinds on broken files
        problem = f"cannot be read: {str(error)[:200] or type(error).__name__}"
        raise RecordingError(path, problem, "truncated or damaged: download it again") from None
