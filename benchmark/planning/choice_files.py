"""The file of choices beside a suite, ``SUITE.choice.toml``: what `ecgarena tune` chose for each tuned row.

It is written by the program and read with the suite, so that a run is pinned to values that can be published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.atomic import write_text
from benchmark.errors import UsageError
from benchmark.paths import is_file
from benchmark.planning.suite_files import CHOICES
from benchmark.toml_values import read_toml

HEAD = """\
# Written by `ecgarena tune`: the values of the suite's tuned rows, and how they were chosen. `ecgarena run` takes them
# from here. Its cost is counted in recordings; times and machines stand in the records of the trials.
"""
FORM = {"row": str, "tuning": str, "values": dict}  # entries without them are refused


def choice_path(suite_path: Path) -> Path:
    """Return the file of choices of the suite in that file, existing or not."""
    return suite_path.with_name(suite_path.name.removesuffix(".toml") + CHOICES)


def read_choices(path: Path) -> dict[str, dict[str, Any]]:
    """Return the entry of each row; {} without a file. Raises `UsageError` for a file of another form."""
    if not is_file(path):
        return {}
    rows = read_toml(path).get("rows", [])
    entries = rows if isinstance(rows, list) else [rows]
    for entry in entries:
        if not isinstance(entry, dict) or any(not isinstance(entry.get(key), kind) for key, kind in FORM.items()):
            raise UsageError(f"{path} is no file of choices: an entry lacks {', '.join(FORM)}; remove it and tune")
    return {entry["row"]: entry for entry in entries}


def write_choice(path: Path, entry: Mapping[str, Any]) -> None:
    """Put the entry of a row into a file, in place of an older one; the other rows stay. Hold a lock meanwhile."""
    entries = {**read_choices(path), entry["row"]: dict(entry)}
    tables = ("\n".join(_lines(entries[row])) for row in sorted(entries))
    write_text(path, HEAD + "".join(f"\n[[rows]]\n{table}\n" for table in tables))


def attach_choices(raw: dict[str, Any], path: Path) -> list[str]:
    """Put each row's entry into an unchecked suite that was read from `path`; return what is wrong in it."""
    methods = raw.get("methods")
    blocks = [block for block in methods if isinstance(block, dict)] if isinstance(methods, list) else []
    problems = [
        f"methods.{number}.choice is no key: `ecgarena tune` writes choices to {choice_path(path).name}"
        for number, block in enumerate(blocks)
        if "choice" in block
    ]
    tuned_blocks = [block for block in blocks if "tune" in block and "choice" not in block]
    choices = read_choices(choice_path(path)) if tuned_blocks else {}
    for block in tuned_blocks:
        row = str(block.get("label") or block.get("name", ""))
        if row in choices:
            block["choice"] = choices[row]
    return problems


def _lines(table: Mapping[str, Any]) -> list[str]:
    """Return the lines of a table whose values are plain, or tables of plain values."""
    return [f"{_key(name)} = {_value(value)}" for name, value in table.items()]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's texts and numbers are TOML's


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else _value(name)
