"""Support for homes with a per cent sign in their path, which sbatch, srun and Submitit read as a placeholder."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

from submitit.core.utils import JobPaths
from submitit.slurm import slurm

from benchmark.errors import UsageError

PLACE = "/ECGARENA-LOGS"  # placeholder for the log folder in a script; `escaped` replaces it


def escaped(script: str, folder: Path) -> str:
    """Replace `PLACE` in a script by `folder`, escaped; SLURM reads ``%%`` as a per cent sign."""
    path = str(folder.absolute())
    if "\\" in path or not path.isprintable():
        raise UsageError(
            f"{path!r} holds a backslash or a control character, which sbatch takes in no path; use another home"
        )
    whole = path.replace("%", "%%")
    return re.sub(rf"{PLACE}(/[\w%.]+)", lambda match: shlex.quote(whole + match[1]), script)


def keep_folders() -> None:
    """Make Submitit replace ``%j`` and ``%t`` in file names only, and escape their folders in scripts."""
    if getattr(JobPaths, "keeps_folders", False):
        return
    fill_in, make_script = JobPaths._format_id, slurm._make_sbatch_string

    def of_the_name(paths: JobPaths, path: Path | str) -> Path:
        return Path(path).parent / fill_in(paths, Path(path).name)

    def escaped_script(command: str, folder: Path | str, **parameters: Any) -> str:
        return escaped(make_script(command=command, folder=PLACE, **parameters), Path(folder))

    escaped_script.__signature__ = inspect.signature(make_script)  # type: ignore[attr-defined]  # Submitit reads it
    JobPaths._format_id = of_the_name  # type: ignore[method-assign, assignment]
    JobPaths.get_first_id_independent_folder = staticmethod(  # type: ignore[method-assign]
        lambda folder: Path(folder).expanduser().absolute()
    )
    slurm._make_sbatch_string = escaped_script  # type: ignore[assignment]  # Submitit's array executor calls it too
    JobPaths.keeps_folders = True  # type: ignore[attr-defined]
