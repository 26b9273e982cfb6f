"""Folders that describe themselves as a dataset: ``$ECGARENA_DATA/NAME/dataset.toml`` makes NAME a dataset."""

from __future__ import annotations

import os
from pathlib import Path

from benchmark.paths import DATA_VARIABLE, is_file

DESCRIPTION = "dataset.toml"


def described_folders() -> dict[str, Path]:
    """Map the name of each folder under ``$ECGARENA_DATA`` that holds a description to the file of it."""
    base = os.environ.get(DATA_VARIABLE)
    try:
        folders = sorted(Path(base).iterdir()) if base else []
    except OSError:
        return {}
    return {folder.name: file for folder in folders if is_file(file := folder / DESCRIPTION)}


def described_folder(name: str) -> Path | None:
    """Return the folder of that name if it holds a description, else None."""
    base = os.environ.get(DATA_VARIABLE)
    return Path(base) / name if base and name and is_file(Path(base) / name / DESCRIPTION) else None
