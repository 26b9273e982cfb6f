"""Strata of a number: ranges between its quantiles, over which label subsets are drawn as they are over classes."""

from __future__ import annotations

import numpy as np

STRATA = 10  # fewer where values repeat so often that quantiles coincide


def strata(values: np.ndarray, unit: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the stratum of each value, ``(n,) -> (n, stratum)`` uint8 with a single 1 per row, and their names.

    Borders are the quantiles of `values`; equal values share a stratum. A constant has one stratum.
    """
    borders = np.unique(np.quantile(values, np.linspace(0, 1, STRATA + 1)[1:-1], method="inverted_cdf"))
    place = np.searchsorted(borders, values, side="left")
    present, place = np.unique(place, return_inverse=True)
    matrix = np.zeros((len(values), len(present)), np.uint8)
    matrix[np.arange(len(values)), place] = 1
    members = (values[place == number] for number in range(len(present)))
    return matrix, tuple(f"{group.min():g} to {group.max():g} {unit}" for group in members)
