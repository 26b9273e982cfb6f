"""Digest of the code of a class that has no file: one that was written in a notebook or at a prompt.

It covers the byte code of the class and of whatever of the same namespace its functions name or enclose, directly or
through others: functions, decorators, classes, plain values, and other objects by what pickle would store of them.
Modules, what they define, and objects that cannot be pickled count by their name or type alone. It differs between
versions of Python, which only makes a cell run once more.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

LENGTH = 16  # hex digits, as of `source_digest`
PLAIN = (str, bytes, int, float, complex, bool, type(None))
PARTS: dict[Any, tuple[str, ...]] = {  # of objects that stand for functions
    property: ("fget", "fset"),
    MethodType: ("__func__", "__self__"),
    (staticmethod, classmethod): ("__func__",),
    functools.cached_property: ("func",),
    (functools.partial, functools.partialmethod): ("func", "args", "keywords"),
}
LEFT_OUT = ("__dict__", "__weakref__", "__doc__", "__firstlineno__", "source_digest", "_abc_impl")  # of a class


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
        self._visited: dict[int, Any] = {}  # keeps the objects alive, so that no two share an id

    def lines(self, thing: Any) -> Iterator[str]:
        if isinstance(thing, PLAIN):
            yield repr(thing)
        elif isinstance(thing, tuple | list | set | frozenset | dict):
            yield from self._collection(thing)
        elif id(thing) not in self._visited:
            self._visited[id(thing)] = thing
            yield from self._object(thing)

    def _collection(self, thing: Any) -> Iterator[str]:
        yield type(thing).__name__
        parts = thing.items() if isinstance(thing, dict) else thing
        for part in sorted(parts, key=repr) if isinstance(thing, set | frozenset) else parts:
            yield from self.lines(part)

    def _object(self, thing: Any) -> Iterator[str]:
        if isinstance(thing, FunctionType):
            yield from self._function(thing)
        elif isinstance(thing, type):
            yield from self._class(thing)
        elif isinstance(thing, CodeType):
            yield from self._code(thing)
        elif isinstance(thing, ModuleType):
            yield thing.__name__
        elif names := _parts(thing):
            yield f"{type(thing).__module__}.{type(thing).__qualname__}"
            yield from self._collection([getattr(thing, name) for name in names])
        else:
            yield from self._instance(thing)

    def _instance(self, thing: Any) -> Iterator[str]:
        """Yield the type of an object with its content; of a class of ours, its code too."""
        yield from self.lines(type(thing))
        content = hashlib.sha256()
        try:
            if type(thing).__module__ == self.module:
                yield from self.lines(vars(thing))
            else:
                pickle.Pickler(_Hashing(content), protocol=5).dump(thing)
                yield content.hexdigest()
        except Exception:  # an object's own code decides what can be stored of it
            yield "no content"

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield f"{function.__module__}.{function.__qualname__}"
        yield from self._enclosed(function)
        yield from self.lines(getattr(function, "__wrapped__", None))
        if function.__globals__.get("__name__") != self.module:
            return
        yield from self._code(function.__code__)
        yield from self.lines(function.__defaults__)
        yield from self.lines(function.__kwdefaults__)
        for name in _names(function.__code__):
            if name in function.__globals__:
                yield name
                yield from self.lines(function.__globals__[name])

    def _enclosed(self, function: FunctionType) -> Iterator[str]:
        """Yield the values of a function that come from the functions around it."""
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            yield from self.lines(value)

    def _class(self, cls: type) -> Iterator[str]:
        yield f"{cls.__module__}.{cls.__qualname__}"
        if cls.__module__ != self.module:
            return
        for base in cls.__bases__:
            yield from self.lines(base)
        for name, value in sorted(vars(cls).items()):
            if name not in LEFT_OUT:
                yield name
                yield from self.lines(value)

    def _code(self, code: CodeType) -> Iterator[str]:
        yield code.co_code.hex()
        yield " ".join((*code.co_names, *code.co_varnames, *code.co_freevars))
        for constant in code.co_consts:
            yield from self.lines(constant)


def _parts(thing: Any) -> tuple[str, ...]:
    """Return the attributes that hold what an object in place of a function does; none for other objects."""
    names = next((names for kind, names in PARTS.items() if isinstance(thing, kind)), ())
    wraps = isinstance(getattr(thing, "__wrapped__", None), FunctionType)  # `functools.cache`
    return names or (("__wrapped__",) if wraps else ())


def _names(code: CodeType) -> list[str]:
    """Return the global names that a function uses, those of the functions within it too."""
    inner = [name for constant in code.co_consts if isinstance(constant, CodeType) for name in _names(constant)]
    return sorted({*code.co_names, *inner})


class _Hashing:
    """A file that keeps nothing of what is written to it but a digest."""

    def __init__(self, total: Any) -> None:
        self.write = total.update
