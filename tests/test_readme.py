"""The examples of the README work: the method in one file, and every command's name and options."""

import re
import shlex
from pathlib import Path

from benchmark.cli import parser
from benchmark.registry import METHODS
from benchmark.testing import check_method

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")


def test_the_method_in_one_file_meets_the_contract():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    try:
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
        check_method(METHODS.get("amplitudes")())
    finally:
        METHODS._classes.pop("amplitudes", None)


def test_every_command_in_the_readme_parses():
    lines = re.findall(r"^\$ (?:\.venv/bin/)?ecgarena ([^#\n]*)", README, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        parser().parse_args(shlex.split(line))
