"""Java, which METEOR and the PTB tokeniser run in: found and asked for its version, or missed in one sentence."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess

# numbers are written and read with a decimal point whatever the machine's language, and texts are UTF-8
OPTIONS = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
PATIENCE = 60.0  # seconds for a start
MISSING = (
    "there is no Java on this machine: METEOR is left out and reports are split by the tokeniser of this project; "
    "install a Java runtime (Debian: apt-get install default-jre-headless)"
)


@functools.cache
def java() -> str | None:
    """The path of a Java that starts, or None."""
    found = shutil.which("java")
    return found if found and _version(found) else None


@functools.cache
def java_version() -> str | None:
    """``17.0.15``, say; None without Java."""
    found = java()
    return _version(found) if found else None


def _version(path: str) -> str | None:
    try:
        told = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "([^"]+)"', told.stderr + told.stdout)
    return match.group(1) if match else "unknown"
