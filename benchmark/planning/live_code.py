"""Digest of the code of a class that has no file: one that was written in a notebook or at a prompt.

It covers the byte code of the class and of whatever of the same namespace its functions name, directly or through
others: functions, classes and plain values. Other objects count by their type alone. It differs between versions of
Python, which only makes a cell run once more.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

LENGTH = 16  # hex digits, as of `source_digest`
PLAIN = (str, bytes, int, float, complex, bool, type(None))


def live_digest(cls: type) -> str:
    """Return a digest that changes when the class, or what it uses of its own namespace, is written anew."""
    total = hashlib.sha256()
    for line in _Reader(cls.__module__).lines(cls):
        total.update(f"{line}\n".encode("utf-8", "backslashreplace"))
    return total.hexdigest()[:LENGTH]


class _Reader:
    """One walk over a class and what it names; each object is read once."""

    def __init__(self, module: str) -> None:
        self.module = module
        self._visited: set[int] = set()

    def lines(self, thing: Any) -> Iterator[str]:
        if isinstance(thing, PLAIN):
            yield repr(thing)
        elif isinstance(thing, tuple | list | set | frozenset | dict):
            yield from self._collection(thing)
        elif id(thing) not in self._visited:
            self._visited.add(id(thing))
            yield from self._object(thing)

    def _collection(self, thing: Any) -> Iterator[str]:
        yield type(thing).__name__
        parts = thing.items() if isinstance(thing, dict) else thing
        for part in sorted(parts, key=repr) if isinstance(thing, set | frozenset) else parts:
            yield from self.lines(part)

    def _object(self, thing: Any) -> Iterator[str]:
        function = inspect.unwrap(getattr(thing, "__func__", None) or getattr(thing, "fget", None) or thing)
        if isinstance(function, FunctionType):
            yield from self._function(function)
        elif isinstance(thing, type):
            yield from self._class(thing)
        elif isinstance(thing, CodeType):
            yield from self._code(thing)
        else:
            yield f"{type(thing).__module__}.{type(thing).__qualname__}"

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield f"{function.__module__}.{function.__qualname__}"
        if function.__module__ != self.module:
            return
        yield from self._code(function.__code__)
        yield from self.lines(function.__defaults__)
        yield from self.lines(function.__kwdefaults__)
        for name in _names(function.__code__):
            if name in function.__globals__:
                yield name
                yield from self.lines(function.__globals__[name])

    def _class(self, cls: type) -> Iterator[str]:
        yield f"{cls.__module__}.{cls.__qualname__}"
        if cls.__module__ != self.module:
            return
        for base in cls.__bases__:
            yield from self.lines(base)
        for name, value in sorted(vars(cls).items()):
            if name not in ("__dict__", "__weakref__", "__doc__", "__firstlineno__", "source_digest"):
                yield name
                yield from self.lines(value)

    def _code(self, code: CodeType) -> Iterator[str]:
        yield code.co_code.hex()
        yield " ".join((*code.co_names, *code.co_varnames, *code.co_freevars))
        for constant in code.co_consts:
            yield from self.lines(constant)


def _names(code: CodeType) -> list[str]:
    """Return the global names that a function uses, those of the functions within it too."""
    inner = [name for constant in code.co_consts if isinstance(constant, CodeType) for name in _names(constant)]
    return sorted({*code.co_names, *inner})
