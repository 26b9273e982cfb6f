"""Files of suites, apart from `benchmark.planning.suites`, so that listing them needs no library."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from benchmark.errors import UsageError, brief, did_you_mean
from benchmark.paths import is_file
from benchmark.toml_values import read_toml

CHOICES = ".choice.toml"  # the end of a file beside a suite: what `ecgarena tune` chose for its rows


def suite_names() -> list[str]:
    """Return the names of the built-in suites."""
    return sorted(path.stem for path in _folder().glob("*.toml") if not path.name.endswith(CHOICES))


def suite_path(name: str) -> Path:
    """Return the file of a built-in suite, or the path of the user; raise `UsageError` when it does not exist."""
    path = Path(name) if name.endswith(".toml") else _folder() / f"{name}.toml"
    if not is_file(path):
        hint = "" if name.endswith(".toml") else did_you_mean(name, suite_names())
        raise UsageError(f"no suite {brief(name)}{hint}")
    return path


def suite_name(name_or_path: str) -> str:
    """Return the name of a suite, given by name or by path; for a missing file its stem."""
    try:
        return str(read_toml(suite_path(name_or_path))["name"])
    except (UsageError, KeyError):
        return Path(name_or_path).stem if name_or_path.endswith(".toml") else name_or_path


def _folder() -> Path:
    spec = find_spec("tasks")
    folders = (spec and spec.submodule_search_locations) or []
    return Path(next(iter(folders), ".")) / "suites"
