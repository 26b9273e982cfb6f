"""The constructor is the configuration: check given values against a signature and fill in its defaults."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from benchmark.canonical import canonical
from benchmark.errors import UsageError, did_you_mean, raise_all


@functools.cache
def options(cls: Callable[..., Any]) -> dict[str, Any]:
    """Map each constructor argument of `cls` to its default (`inspect.Parameter.empty` when it has none)."""
    parameters = list(inspect.signature(cls).parameters.values())
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind in plain}


def complete(cls: Callable[..., Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the whole configuration: defaults overlaid with `given`; one error lists every wrong key."""
    known = options(cls)
    problems = [f"{where} has no option {key!r}{did_you_mean(key, known)}" for key in given if key not in known]
    merged = {**known, **given}
    problems += [
        f"{where} needs a value for {key!r}" for key, value in merged.items() if value is inspect.Parameter.empty
    ]
    problems += [
        f"{where}: {key} must be {_wanted(known[key])}, it is {value!r}"
        for key, value in given.items()
        if key in known and not _fits(value, known[key])
    ]
    raise_all(problems, f"the configuration of {where} is wrong:")
    return {key: int(value) if _is_whole(known[key], value) else value for key, value in merged.items()}


def distinct(cls: Callable[..., Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the options that differ from their defaults, canonical: what enters a key.

    So a new option with a harmless default leaves old keys alone. A changed default changes results under
    an unchanged key, which is why it must come with a new `version` of the class (a test watches this).
    Options that only say where files lie (`Dataset.locations`) stay out.
    """
    known = options(cls)
    whole = complete(cls, given, where)
    locations = getattr(cls, "locations", ())
    return {
        key: canonical(value)
        for key, value in whole.items()
        if key not in locations
        if known[key] is inspect.Parameter.empty or canonical(value) != canonical(known[key])
    }


def _fits(value: Any, default: Any) -> bool:
    """A value fits when it has its default's type; None and missing defaults accept anything."""
    if default is None or value is None or default is inspect.Parameter.empty:
        return True
    if default is dataclasses.MISSING or isinstance(default, tuple | list | dict):
        return isinstance(value, tuple | list | dict)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if _is_whole(default, value):
        return True
    return isinstance(value, type(default))


def _is_whole(default: Any, value: Any) -> bool:
    """JSON and TOML users write 10.0 where 10 is meant."""
    return type(default) is int and isinstance(value, float) and value.is_integer()


def _wanted(default: Any) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}.get(
        type(default), f"a {type(default).__name__}"
    )


def parse_value(text: str) -> Any:
    """Read the right side of ``--set key=value`` as TOML; anything that is no TOML value is a text."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def parse_assignments(pairs: list[str]) -> dict[str, Any]:
    """Turn ``["a.b=1", "c=x"]`` into ``{"a.b": 1, "c": "x"}``."""
    wrong = [f"{pair!r} is not of the form key=value" for pair in pairs if "=" not in pair]
    raise_all(wrong, "--set:", UsageError)
    split = (pair.split("=", 1) for pair in pairs)
    return {key.strip(): parse_value(value.strip()) for key, value in split}
