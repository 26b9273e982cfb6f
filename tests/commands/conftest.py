"""The command line as other programs meet it: started as a process, with a suite that takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def two_methods(tiny_suite) -> Path:
    """The tiny suite without the method that is pre-trained."""
    text = tiny_suite.read_text("utf-8")
    tiny_suite.write_text(text[: text.index('[[methods]]\nname = "merl"')], "utf-8")
    return tiny_suite


@pytest.fixture
def ecgarena(tmp_path) -> Path:
    """A folder for PATH with the command in it, of this very checkout."""
    command = tmp_path / "bin" / "ecgarena"
    command.parent.mkdir()
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmark.cli import main; sys.exit(main())"
    command.write_text(f"#!{sys.executable}\n{code}\n")
    command.chmod(0o755)
    return command


@pytest.fixture
def shell(ecgarena):
    """Run a line in a shell that finds the command."""

    def run(shell: str, line: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{ecgarena.parent}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run([shell, *line.split("\0")], env=environment, capture_output=True, text=True, check=False)

    return run
