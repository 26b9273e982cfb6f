"""Where things lie: ECGARENA_HOME for what the harness writes, ECGARENA_DATA for original data sets, ECGARENA_WEIGHTS
for published weights that have to be fetched by hand."""

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
        """``ecgarena retry --home FOLDER``, for a shell; without the option where the command looks here anyway."""
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
        """What unfinished cells keep, so that a killed one goes on: a folder per cell, removed when it is done."""
        return self.root / "scratch"

    @property
    def locks(self) -> Path:
        """A file for each cell at work, locked by the process that is at it."""
        return self.root / "locks"

    @property
    def decoders(self) -> Path:
        """Trained report decoders, shared by cells that differ in how they write alone."""
        return self.root / "decoders"

    @property
    def slurm(self) -> Path:
        return self.root / "slurm"

    @property
    def leaderboards(self) -> Path:
        return self.root / "leaderboards"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The home and all of its parts, whether they are there or not."""
        names = (self.data, self.features, self.pretrained, self.records, self.subsets, self.fingerprints)
        working = (self.scratch, self.locks, self.decoders, self.slurm, self.leaderboards)
        return (self.root, *names, *working)


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def user_path(text: str) -> Path:
    """A path as a user writes it: ``~`` is the home folder, and stays where nobody's home is known."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def dataset_root(name: str, folder: Path | None = None) -> Path | None:
    """The folder with a dataset's original files: `folder`, or ``$ECGARENA_DATA/NAME``, or None if neither is there.

    A `folder` folder is returned as it is, so that its absence becomes an error about that folder.
    """
    if folder is not None:
        return folder
    base = os.environ.get(DATA_VARIABLE)
    if not base:
        return None
    root = Path(base) / name
    return root if root.is_dir() else None


def weights_file(method: str, file: str) -> Path | None:
    """``$ECGARENA_WEIGHTS/METHOD/FILE``, whether it is there or not; None if the variable is not set."""
    base = os.environ.get(WEIGHTS_VARIABLE)
    return Path(base) / method / file if base else None
