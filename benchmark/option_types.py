"""Types of options by their annotations: checks of values, descriptions for messages, and final forms.

A value comes from TOML or JSON, so lists stand for tuples and 10.0 may stand for 10. An annotation that is no plain
type (or cannot be resolved) allows what its default's type allows, and anything where that is None.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import inspect
import math
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Union

SEQUENCES = (list, tuple, collections.abc.Sequence)
MAPPINGS = (dict, collections.abc.Mapping)
PLAIN: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
PLAIN |= {Path: "a path", type(None): "none"}


@functools.cache
def option_types(cls: Callable[..., Any]) -> dict[str, Any]:
    """Map each constructor argument of `cls` to its type; `Any` where the type is unknown."""
    hints = _hints(cls)
    return {
        parameter.name: _with_default(hints.get(parameter.name, Any), parameter.default)
        for parameter in inspect.signature(cls).parameters.values()
    }


def _hints(cls: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations, without those that cannot be resolved (a name imported for type checkers alone)."""
    if "__signature__" in vars(cls):  # a method of another interpreter, of which only defaults are known
        return {}
    constructor: Any = getattr(cls, "__init__") if isinstance(cls, type) else cls  # noqa: B009 (mypy)
    space = getattr(constructor, "__globals__", {})
    hints: dict[str, Any] = {}
    for name, annotation in getattr(constructor, "__annotations__", {}).items():
        with suppress(Exception):  # whatever evaluating a plug-in's annotation raises
            hints |= typing.get_type_hints(types.SimpleNamespace(__annotations__={name: annotation}), space)
    return hints


def _with_default(hint: Any, default: Any) -> Any:
    if hint is Any or isinstance(hint, typing.TypeVar):
        return _of_default(default)
    return hint | None if default is None and hint is not None else hint


def _of_default(default: Any) -> Any:
    """Return the type that a default implies where there is no annotation."""
    if default is None or default is inspect.Parameter.empty:
        return Any
    if default is dataclasses.MISSING or isinstance(default, tuple | list | dict):
        return Union[tuple, list, dict]  # noqa: UP007 (a union of plain classes is no `typing` object)
    return type(default) | None


def fits(value: Any, hint: Any) -> bool:
    """Whether `value` can stand for the type `hint`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin in SEQUENCES or hint in SEQUENCES:
        return isinstance(value, list | tuple) and _elements_fit(value, origin, arguments)
    if origin in MAPPINGS or hint in MAPPINGS:
        return isinstance(value, dict) and all(fits(entry, arguments[1]) for entry in value.values() if arguments)
    return _is_of(value, hint)


def _elements_fit(value: list[Any] | tuple[Any, ...], origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is tuple and arguments[-1:] != (...,):
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    return all(fits(entry, arguments[0]) for entry in value if arguments)


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a plain type; other types are not examined."""
    if hint is None or hint is type(None):
        return value is None
    if hint is bool or isinstance(value, bool):
        return hint in (bool, Any) and (isinstance(value, bool) or hint is Any)
    if hint is int:
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    if hint in (str, Path):
        return isinstance(value, str | Path)
    return not isinstance(hint, type) or hint not in PLAIN


def description(hint: Any) -> str:
    """Describe the expected values for a message: ``a whole number or none``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(description(one) for one in arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in SEQUENCES or hint in SEQUENCES:
        return f"a list{_of_elements(origin, arguments)}"
    if origin in MAPPINGS or hint in MAPPINGS:
        return "a table"
    return PLAIN.get(hint, getattr(hint, "__name__", str(hint)))


def _of_elements(origin: Any, arguments: tuple[Any, ...]) -> str:
    if not arguments:
        return ""
    if origin is tuple and arguments[-1] is not ...:
        return f" of {len(arguments)}: {', '.join(map(description, arguments))}"
    return f", each {description(arguments[0])}"


def converted(value: Any, hint: Any) -> Any:
    """Return a fitting value in its final form: 10.0 becomes 10 where a whole number is meant."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return converted(value, next((one for one in arguments if fits(value, one)), Any))
    if origin in SEQUENCES and isinstance(value, list | tuple):
        kinds = arguments if origin is tuple and arguments[-1:] != (...,) else arguments[:1] * len(value)
        return type(value)(map(converted, value, kinds))
    return int(value) if hint is int and isinstance(value, float) else value
