"""The datasets that are prepared under a home, found by name where the options are not known."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.data.store.prepared import MANIFEST, PreparedDataset, read_manifest
from benchmark.errors import BenchmarkError, DataError
from benchmark.paths import Home
from benchmark.registry import DATASETS

SAME_SPLITS = {"rate"}  # options that leave recordings and splits as they are


@dataclass(frozen=True)
class Preparation:
    """A prepared dataset that is not opened yet: where it lies, and the options that differ from their defaults."""

    path: Path
    dataset: str
    config: Mapping[str, Any]
    digest: str
    recordings: int


class Preparations:
    """What is prepared under `home` from the present versions of the datasets; looked up once."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @functools.cached_property
    def listing(self) -> list[Preparation]:
        paths = sorted(path.parent for path in self._home.data.glob(f"*/{MANIFEST}"))
        return [preparation for path in paths if (preparation := _read(path)) is not None]

    def names(self) -> list[str]:
        return list(dict.fromkeys(preparation.dataset for preparation in self.listing))

    def find(self, name: str, config: Mapping[str, Any], digest: str | None = None) -> PreparedDataset | None:
        """Open the dataset prepared as `digest` or with these options, or else with others that keep the splits."""
        splitting = _splitting(config)
        matches = [entry for entry in self.listing if entry.dataset == name and _splitting(entry.config) == splitting]
        matches.sort(key=lambda entry: (entry.digest != digest, entry.config != config))
        return _open(matches[0]) if matches else None

    def largest(self, name: str) -> PreparedDataset | None:
        """Open the preparation of a dataset that holds most recordings, whatever its options."""
        matches = [entry for entry in self.listing if entry.dataset == name]
        return _open(max(matches, key=lambda entry: entry.recordings)) if matches else None


def _splitting(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in SAME_SPLITS}


def _read(path: Path) -> Preparation | None:
    """Return what a manifest says; None for one that is damaged, or of a dataset that is not here in this version."""
    try:
        manifest = read_manifest(path)
        name = manifest["dataset"]
        if manifest["version"] != DATASETS.get(name).card.version:
            return None
        return Preparation(path, name, manifest["config"], manifest["digest"], manifest["recordings"])
    except (BenchmarkError, OSError, KeyError):
        return None


def _open(preparation: Preparation) -> PreparedDataset | None:
    try:
        return PreparedDataset(preparation.path)
    except (DataError, OSError):
        return None
