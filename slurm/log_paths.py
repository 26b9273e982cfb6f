"""Submitit's files in a home whose path holds a per cent sign: sbatch, srun and Submitit take it for a placeholder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from submitit.core.utils import JobPaths

from benchmark.errors import UsageError

PLACE = "/ECGARENA-LOGS"  # stands in a script for the folder of the logs until `escaped` puts that there


def escaped(script: str, folder: Path) -> str:
    """Put `folder` into a script made for `PLACE`; SLURM reads ``%%`` as a per cent sign."""
    path = str(folder.absolute())
    if "\\" in path or not path.isprintable():
        raise UsageError(
            f"{path!r} holds a backslash or a control character, which sbatch takes in no path; use another home"
        )
    whole = path.replace("%", "%%")
    return re.sub(rf"{PLACE}(/[\w%.]+)", lambda found: shlex.quote(whole + found[1]), script)


def keep_folders() -> None:
    """Have Submitit fill in ``%j`` and ``%t`` in names of files only, not in the folders above them."""
    if getattr(JobPaths, "keeps_folders", False):
        return
    fill_in = JobPaths._format_id

    def of_the_name(paths: JobPaths, path: Path | str) -> Path:
        return Path(path).parent / fill_in(paths, Path(path).name)

    JobPaths._format_id = of_the_name  # type: ignore[method-assign, assignment]
    JobPaths.get_first_id_independent_folder = staticmethod(  # type: ignore[method-assign]
        lambda folder: Path(folder).expanduser().absolute()
    )
    JobPaths.keeps_folders = True  # type: ignore[attr-defined]
