"""The constructor is the configuration: check given values against a signature and fill in its defaults."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from benchmark.canonical import canonical
from benchmark.errors import UsageError, brief, did_you_mean, raise_all
from benchmark.option_types import converted, description, fits, option_types
from benchmark.toml_values import parse_value, value_problems


@functools.cache
def options(cls: Callable[..., Any]) -> dict[str, Any]:
    """Map each constructor argument of `cls` to its default (`inspect.Parameter.empty` when it has none)."""
    parameters = list(inspect.signature(cls).parameters.values())
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind in plain}


def first_defaults(cls: Callable[..., Any]) -> dict[str, Any]:
    """Return the defaults that `cls` had when its keys were first made: an option at that value stays out of a key."""
    return {**options(cls), **getattr(cls, "first_defaults", {})}


def from_key(cls: Callable[..., Any], keyed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration that `distinct` shortened: options whose default has changed since are put back."""
    return {**getattr(cls, "first_defaults", {}), **keyed}


def complete(cls: Callable[..., Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the whole configuration: defaults overlaid with `values`; one error lists every wrong key and value."""
    defaults, kinds = options(cls), option_types(cls)
    problems = [f"{where} has no option {key!r}{did_you_mean(key, defaults)}" for key in values if key not in defaults]
    completed_values = {**defaults, **values}
    problems += [
        f"{where} needs a value for {key!r}{_where_explained(where)}"
        for key, value in completed_values.items()
        if value is inspect.Parameter.empty
    ]
    problems += type_problems(cls, {key: value for key, value in values.items() if key in defaults}, where)
    raise_all(problems, f"the configuration of {where} is wrong:")
    return {key: converted(value, kinds[key]) if key in values else value for key, value in completed_values.items()}


def _where_explained(where: str) -> str:
    """Return how to read about the options of ``dataset code15``; "" of what has no name in the registries."""
    kind, _, name = where.partition(" ")
    return f"; 'ecgarena show {name}' explains it" if name and kind in ("method", "task", "dataset") else ""


def type_problems(cls: Callable[..., Any], values: Mapping[str, Any], where: str) -> list[str]:
    """Return a sentence for each value that does not fit its option's type; all keys are options of `cls`."""
    kinds = option_types(cls)
    return [
        f"{where}: {key} must be {description(kinds[key])}, it is {brief(value)}"
        for key, value in values.items()
        if not fits(value, kinds[key])
    ]


def distinct(cls: Callable[..., Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the options that differ from their first defaults, canonical: what enters a key.

    So a new option with a harmless default leaves old keys alone. A changed default would change results under an
    unchanged key. The class therefore names the old one in `first_defaults`, and the new one enters the key as any
    other value does; or it raises its `version`, which makes all its keys new (a test watches this).
    Options that only say where files lie (`Dataset.locations`) stay out.
    """
    defaults = first_defaults(cls)
    whole = complete(cls, values, where)
    locations = getattr(cls, "locations", ())
    return {
        key: canonical(value)
        for key, value in whole.items()
        if key not in locations
        if defaults[key] is inspect.Parameter.empty or canonical(value) != canonical(defaults[key])
    }


def parse_assignments(pairs: list[str], option: str = "--set") -> dict[str, Any]:
    """Turn ``["a.b=1", "c=x"]`` into ``{"a.b": 1, "c": "x"}``; one error of `option` lists all that none can be."""
    parsed: dict[str, Any] = {}
    problems = []
    for pair in pairs:
        key, sign, text = (part.strip() for part in pair.partition("="))
        if not sign or not key:
            problems.append(f"{brief(pair)} is not of the form key=value")
            continue
        try:
            parsed[key] = parse_value(text)
        except ValueError as error:
            problems.append(f"{key}: {error}")
    problems += [problem for key, value in parsed.items() for problem in value_problems({key: value})]
    raise_all(problems, f"{option}:", UsageError)
    return parsed
