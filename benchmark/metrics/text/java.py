"""Java, which METEOR and the PTB tokeniser need: its path, its version, and a note where it is missing."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess

# numbers are written and read with a decimal point whatever the machine's language, and texts are UTF-8
OPTIONS = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
START_TIMEOUT = 60.0  # seconds for a start
MISSING = (
    "there is no Java on this machine: METEOR is left out and reports are split by the tokeniser of this project; "
    "install a Java runtime (Debian: apt-get install default-jre-headless)"
)


@functools.cache
def java_path() -> str | None:
    """Return the path of a Java that starts, or None."""
    path = shutil.which("java")
    return path if path and _read_version(path) else None


@functools.cache
def java_version() -> str | None:
    """Return the version (``17.0.15``, say), or None without Java."""
    path = java_path()
    return _read_version(path) if path else None


def _read_version(path: str) -> str | None:
    try:
        process = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=START_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "([^"]+)"', process.stderr + process.stdout)
    return match.group(1) if match else "unknown"
