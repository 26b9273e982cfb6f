"""Notes on recordings that fall short of a method's needs: too low a rate, or no usable signal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmark.api import SPLITS, SignalSpec
from benchmark.data.signals.signal import band_limit
from benchmark.data.store.prepared import PreparedDataset

MOST_NAMES = 5  # recordings named in a note


def signal_notes(data: PreparedDataset, rows: Mapping[str, np.ndarray], signal: SignalSpec, method: str) -> list[str]:
    """Return notes on too low a rate and on unusable recordings, by split; those of test by name.

    `rows` maps a split to the rows of `data` that the cell uses.
    """
    limit = band_limit(data.rate, signal)
    notes = [f"{method}: {limit}"] if limit else []
    silent = {split: np.intersect1d(rows[split], data.unusable(signal)) for split in SPLITS if split in rows}
    counts = [
        f"{len(unusable)} of {len(rows[split])} in {split}" for split, unusable in silent.items() if len(unusable)
    ]
    if counts:
        names = [str(name) for name in data.record_ids[silent["test"]]]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        text = f" (test: {', '.join(names[:MOST_NAMES])}{more})" if names else ""
        why = f"shorter than {signal.min_seconds:g} s or flat in all of its leads"
        notes.append(f"{method}: recordings {why} count as silence: {', '.join(counts)}{text}")
    return notes
