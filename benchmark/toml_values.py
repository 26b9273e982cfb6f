"""TOML from users: files and single values. Values that cannot be part of a key are refused with their place.

TOML knows more than the harness does: dates, NaN, infinity, whole numbers of any length. A value is plain when it is a
text, a finite number, true or false, or a list or table of these.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError, UsageError, brief

DEEPEST = 16  # tables and lists within each other; no suite needs more than 6
LARGEST = 2**63  # whole numbers beyond fit neither TOML's own definition nor numpy


def read_toml(path: Path, kind: type[BenchmarkError] = UsageError) -> dict[str, Any]:
    """Parse a file; raise `kind` with the file's name where it cannot be read. Values may not be plain yet."""
    try:
        return parse_toml(path.read_text("utf-8"))
    except ValueError as error:  # UnicodeDecodeError and TOMLDecodeError are kinds of it
        raise kind(f"{path} is no readable TOML file: {error}") from None
    except OSError as error:
        raise kind(f"{path} cannot be read: {error.strerror}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Parse as `tomllib.loads` does, but raise ValueError for nesting too deep as well, as for other mistakes."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError("tables and lists are nested too deeply") from None
    except ValueError:  # Python reads no number of more than 4,300 digits
        raise ValueError("a whole number of more than 64 bits") from None


def parse_value(text: str) -> Any:
    """Read the right side of ``--set key=value`` as TOML; anything else is a text.

    Raises ValueError for a value that TOML's parser cannot hold: too many digits or brackets.
    """
    try:
        parsed = parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 and "\n" not in text else text


def value_problems(value: Any, where: str = "", depth: int = 0) -> Iterator[str]:
    """Yield a sentence for everything in `value` that is not plain, with its place (``methods.0.config.width``)."""
    if not isinstance(value, dict | list):
        if problem := _problem(value):
            yield f"{where}: {problem}"
        return
    if depth == DEEPEST:
        yield f"{where}: tables and lists are nested too deeply (at most {DEEPEST})"
        return
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
        if not _is_text(str(key)):
            yield f"{where}: the key {brief(key)} holds half a character".removeprefix(": ")
        else:
            yield from value_problems(entry, f"{where}.{key}".removeprefix("."), depth + 1)


def _problem(value: Any) -> str:
    """Return the reason why a single value is not plain; empty when it is."""
    kind = type(value)
    if kind is str and not _is_text(value):
        return f"{brief(value)} holds half a character (a byte that is no UTF-8)"
    if kind is str and "\0" in value:
        return f"{brief(value)} holds the character NUL"
    if kind is int and not -LARGEST <= value < LARGEST:
        return "a whole number of more than 64 bits"
    if kind is float and not math.isfinite(value):
        return f"{value} is no finite number"
    if kind not in (str, int, float, bool, type(None)):
        return f"{value} is a {kind.__name__}; put it into quotes if a text is meant"
    return ""


def _is_text(text: str) -> bool:
    """Whether a text can be written to a file: Python keeps bytes that are no UTF-8 as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
