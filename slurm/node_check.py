"""Checks that `ecgarena doctor` runs in a job: everything that may differ between a compute node and the login node."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark.atomic import write_text
from benchmark.paths import DATA_VARIABLE, WEIGHTS_VARIABLE

CACHES = {"HF_HOME": "~/.cache/huggingface"}  # variable -> default folder
PACKAGES = ("numpy", "scipy", "submitit", "torch", "transformers")


class NodeCheck:
    """Check that runs in a job and writes its facts into `folder`, which the login node created."""

    def __init__(self, folder: Path, wants_gpu: bool) -> None:
        self.folder, self.wants_gpu = str(folder), wants_gpu

    def __call__(self) -> None:
        import json

        folder = Path(self.folder)
        answer = look(folder, self.wants_gpu)
        write_text(folder / "node.json", json.dumps(answer, indent=1))


def look(folder: Path, wants_gpu: bool) -> dict[str, Any]:
    """Collect facts about this node; `slurm.doctor` judges them."""
    token = folder / "login.txt"
    return {
        "host": socket.gethostname(),
        "time": time.time(),
        "python": platform.python_version(),
        "sees_token": token.is_file(),
        "file_time": _file_time(folder),
        "lock_was_free": lock_is_free(folder / "held.lock"),
        "renames": renames(folder),
        "java": shutil.which("java"),
        "variables": {name: os.environ.get(name) for name in (DATA_VARIABLE, WEIGHTS_VARIABLE, "HF_HUB_OFFLINE")},
        "folders": {
            name: Path(value).is_dir() for name in (DATA_VARIABLE, WEIGHTS_VARIABLE) if (value := os.environ.get(name))
        },
        "caches": {name: Path(os.environ.get(name) or place).expanduser().is_dir() for name, place in CACHES.items()},
        "code": str(Path(__file__).resolve().parent.parent),
        "packages": {name: version(name) for name in PACKAGES},
        **gpu(wants_gpu),
    }


def gpu(wanted: bool) -> dict[str, Any]:
    """Return what torch reports about this job's GPUs; torch is imported only if a GPU is `wanted`."""
    if not wanted:
        return {}
    import torch

    facts: dict[str, Any] = {"torch_cuda": torch.version.cuda, "gpus": torch.cuda.device_count(), "gpu_works": False}
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
        try:
            facts["gpu_works"] = float(torch.ones(8, device="cuda").sum()) == 8.0
        except RuntimeError as error:
            facts["gpu_error"] = str(error).splitlines()[0]
    return facts


def lock_is_free(path: Path) -> bool:
    """Whether a lock held by another machine can be acquired: then locks are local and protect nothing."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=0):
            return True
    except Timeout:
        return False


def renames(folder: Path) -> dict[str, bool]:
    """Test the two renames that records rely on: onto a file, and onto a non-empty folder, which must fail."""
    old, new = folder / "old.txt", folder / "new.txt"
    old.write_text("old")
    new.write_text("new")
    new.replace(old)
    one, full = folder / "one", folder / "full"
    one.mkdir(exist_ok=True)
    (full / "x").mkdir(parents=True, exist_ok=True)
    try:
        one.rename(full)
        refused = False
    except OSError:
        refused = True
    return {"over a file": old.read_text() == "new" and not new.exists(), "onto a full folder refused": refused}


def _file_time(folder: Path) -> float:
    """Return the modification time that the file system gives a file written now."""
    path = folder / "stamp.txt"
    path.write_text("")
    return path.stat().st_mtime
