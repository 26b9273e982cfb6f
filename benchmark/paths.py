"""Folders of the harness: ECGARENA_HOME for its own files, ECGARENA_DATA for original datasets, ECGARENA_WEIGHTS for
published weights that have to be fetched by hand."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE, DATA_VARIABLE, WEIGHTS_VARIABLE = "ECGARENA_HOME", "ECGARENA_DATA", "ECGARENA_WEIGHTS"


@dataclass(frozen=True)
class Home:
    """The folder that a run writes to; each property is one of its parts."""

    root: Path

    @classmethod
    def default(cls) -> Home:
        return cls(Path(os.environ.get(HOME_VARIABLE) or "runs").absolute())

    def command(self, *words: str) -> str:
        """Return a shell command, ``ecgarena retry --home FOLDER``; the default home needs no option."""
        option = [] if self == Home.default() else ["--home", str(self.root)]
        return shlex.join(["ecgarena", *words, *option])

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def pretrained(self) -> Path:
        return self.root / "pretrained"

    @property
    def records(self) -> Path:
        return self.root / "records"

    @property
    def subsets(self) -> Path:
        return self.root / "subsets"

    @property
    def fingerprints(self) -> Path:
        return self.root / "fingerprints"

    @property
    def scratch(self) -> Path:
        """Return the folder for the state of unfinished cells: a subfolder per cell, removed when it is done."""
        return self.root / "scratch"

    @property
    def locks(self) -> Path:
        """Return the folder with a file for each cell at work, locked by its process."""
        return self.root / "locks"

    @property
    def decoders(self) -> Path:
        """Return the folder of trained report decoders, shared by cells that differ only in how they write."""
        return self.root / "decoders"

    @property
    def tuning(self) -> Path:
        """Return the folder of trials: ``SUITE/DIGEST/trial-000.json``, and the weights of those at work."""
        return self.root / "tuning"

    @property
    def slurm(self) -> Path:
        return self.root / "slurm"

    @property
    def leaderboards(self) -> Path:
        return self.root / "leaderboards"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the home and all of its parts, existing or not."""
        names = (self.data, self.features, self.pretrained, self.records, self.subsets, self.fingerprints)
        working = (self.scratch, self.locks, self.decoders, self.tuning, self.slurm, self.leaderboards)
        return (self.root, *names, *working)


def is_file(path: Path) -> bool:
    """Whether there is such a file; False for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def user_path(text: str) -> Path:
    """Return a path as the user wrote it, with ``~`` replaced by the home folder where that is known."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def dataset_root(name: str, folder: Path | None = None) -> Path | None:
    """Return the folder of a dataset's original files: `folder`, else ``$ECGARENA_DATA/NAME`` if it exists, else None.

    `folder` is returned even where it does not exist, so that the later error names it.
    """
    if folder is not None:
        return folder
    base = os.environ.get(DATA_VARIABLE)
    if not base:
        return None
    root = Path(base) / name
    return root if root.is_dir() else None


def weights_file(method: str, file: str) -> Path | None:
    """Return ``$ECGARENA_WEIGHTS/METHOD/FILE``, existing or not; None if the variable is not set."""
    base = os.environ.get(WEIGHTS_VARIABLE)
    return Path(base) / method / file if base else None
