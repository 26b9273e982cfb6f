"""Attributes by which results are broken down, as far as a prepared dataset has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.data.labels.demographics import OLDEST
from benchmark.data.store.prepared import METADATA, PreparedDataset

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("sex", "device", "language")
AGES = (40, 60, 80)  # years: a band starts at each
BANDS = ("under 40", "40 to 59", "60 to 79", "80 and over")


def groups(data: PreparedDataset) -> dict[str, np.ndarray]:
    """Map each attribute to a text per recording, ``""`` if unknown; omit attributes unknown for all recordings."""
    columns = {name: table[name].to_numpy(object) for table in _tables(data) for name in TEXTS if name in table}
    columns["age"] = age_bands(data.table["age"].to_numpy(float))
    return {name: values for name, values in columns.items() if np.any(values != "")}


def _tables(data: PreparedDataset) -> list[pd.DataFrame]:
    beside = [data.metadata] if (data.path / METADATA).is_file() else []  # older preparations lack it
    return [data.table, *beside]


def age_bands(ages: np.ndarray) -> np.ndarray:
    """Return the name of the band of each age in years, ``(n,)``; "" for NaN and impossible ages."""
    bands = np.array(BANDS, object)[np.searchsorted(AGES, np.nan_to_num(ages), side="right")]
    return np.where((ages >= 0) & (ages <= OLDEST), bands, "")
