"""Provenance of a record: code, versions, hardware. Collected once per process, then reused."""

from __future__ import annotations

import functools
import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import benchmark

PACKAGES = ("numpy", "optuna", "pandas", "scikit-learn", "scipy", "tokenizers", "torch", "transformers", "wfdb")
CODE_VARIABLE = "ECGARENA_CODE"  # set for workers, so that one run has one answer even if the tree changes


@functools.cache
def code() -> dict[str, Any]:
    """Return the version of the harness, its git commit and whether the tree was dirty (None outside a repository)."""
    inherited = os.environ.get(CODE_VARIABLE)
    if inherited:
        commit, dirty = inherited.split(":")
        return {"version": benchmark.__version__, "git": commit or None, "dirty": {"1": True, "0": False}.get(dirty)}
    folder = Path(benchmark.__file__).parent
    sha = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain") if sha else None
    return {"version": benchmark.__version__, "git": sha, "dirty": None if status is None else bool(status)}


def export_code() -> None:
    """Fix the result of `code` for the processes that this one starts."""
    commit = code()
    dirty = {True: "1", False: "0"}.get(commit["dirty"], "")
    os.environ[CODE_VARIABLE] = f"{commit['git'] or ''}:{dirty}"


@functools.cache
def environment() -> dict[str, Any]:
    """Return versions and hardware, but nothing that names a person or a machine."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
    }


def collect(**more: Any) -> dict[str, Any]:
    return {"code": code(), "environment": environment(), "peak_memory_mb": peak_memory_mb(), **more}


def peak_memory_mb() -> int:
    """Return the peak resident memory of this process so far, in MB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(kilobytes / (1e6 if sys.platform == "darwin" else 1e3))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> str | None:
    torch = sys.modules.get("torch")  # a process that never needed torch has no GPU to report
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name())
