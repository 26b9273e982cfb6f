"""Copy of the code for a submission, so that later edits do not change queued jobs.

The four packages are copied to ``HOME/slurm/code/DIGEST``, once per content, and jobs import them from there
(``PYTHONPATH``, with ``PYTHONSAFEPATH`` so that the current folder of the command does not come first).
Plug-ins of other distributions are not copied: do not edit them while jobs are queued.
"""

from __future__ import annotations

import hashlib
import shutil
from importlib.util import find_spec
from pathlib import Path

from benchmark.atomic import temporary_path
from benchmark.errors import MissingError
from benchmark.paths import Home

PACKAGES = ("benchmark", "methods", "tasks", "slurm")
LEFT_OUT = ("__pycache__", "*.pyc", "*.so.lock")


def snapshot(home: Home) -> Path:
    """Return the folder with a copy of the current code; create it if necessary."""
    roots = {name: _root(name) for name in PACKAGES}
    total = hashlib.sha256()
    for name, root in roots.items():
        for path in _files(root):
            total.update(f"{name}/{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    target = home.slurm / "code" / total.hexdigest()[:16]
    if target.is_dir():
        return target
    partial = temporary_path(target)
    for name, root in roots.items():
        shutil.copytree(root, partial / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    try:
        partial.rename(target)
    except OSError:  # another command created the same copy meanwhile
        shutil.rmtree(partial, ignore_errors=True)
        if not target.is_dir():
            raise
    return target


def _root(name: str) -> Path:
    spec = find_spec(name)
    folders = list((spec and spec.submodule_search_locations) or [])
    if not folders:
        raise MissingError(f"the package {name!r} is not importable, so its code cannot be taken to the cluster")
    return Path(folders[0])


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
