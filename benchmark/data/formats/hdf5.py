"""Access to HDF5 files through h5py, which only users of such files need to install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.errors import DataError


def require_h5py(path: Path) -> Any:
    """Return the module h5py; raise `DataError` that says how to install it, on account of the file at `path`."""
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path} is an HDF5 file, which needs h5py to be read: pip install h5py") from None
    return h5py
