"""Look-up of the datasets prepared under a home, by name and options."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import BenchmarkError
from benchmark.paths import Home
from benchmark.registry import DATASETS

SAME_SPLITS = {"rate", "units_per_millivolt"}  # options that leave recordings and splits as they are


class Preparations:
    """Datasets prepared under `home` from the current versions of their loaders; listed once."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @functools.cached_property
    def listing(self) -> list[PreparedDataset]:
        folders = sorted(path for path in self._home.data.glob("*") if path.is_dir())
        return [data for folder in folders if (data := _open(folder)) is not None]

    def names(self) -> list[str]:
        return list(dict.fromkeys(data.manifest["dataset"] for data in self.listing))

    def find(self, name: str, config: Mapping[str, Any], digest: str | None = None) -> PreparedDataset | None:
        """Return the dataset prepared with these options, or with others that leave its splits unchanged.

        `config` holds the options that differ from their defaults. Of several matches, one with that `digest` is
        preferred, then one with exactly the same options.
        """
        matches = [data for data in self._of(name) if _splitting(data.manifest["config"]) == _splitting(config)]
        matches.sort(key=lambda data: (data.digest != digest, data.manifest["config"] != config))
        return matches[0] if matches else None

    def largest(self, name: str) -> PreparedDataset | None:
        """Return the preparation of a dataset with the most recordings, whatever its options."""
        return max(self._of(name), key=len, default=None)

    def _of(self, name: str) -> list[PreparedDataset]:
        return [data for data in self.listing if data.manifest["dataset"] == name]


def _splitting(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in SAME_SPLITS}


def _open(folder: Path) -> PreparedDataset | None:
    """Open a prepared dataset; return None if it is unfinished, damaged or of another version."""
    try:
        data = PreparedDataset(folder)
        return data if data.manifest["version"] == DATASETS.get(data.manifest["dataset"]).card.version else None
    except (BenchmarkError, OSError, KeyError):
        return None
