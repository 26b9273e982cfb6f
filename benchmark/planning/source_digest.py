"""Digest of the source of a method or task, so that a change of code is noticed beside its numbers.

It covers the module of the class and every module of ours that it imports, directly or through others; the harness
around them (reading, training, tables) is not, since its versions are part of keys and protocol. Comments, docstrings
and line breaks do not count. For a plug-in its own package is followed, and its distribution is named.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.registry import METHODS, TASKS, Registry

FOLLOWED = ("methods", "tasks", "benchmark.probes", "benchmark.metrics", "benchmark.reporting")
DATA = (".json", ".toml")  # files beside a module that it names are part of it
LENGTH = 16  # hex digits
_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_STRUCTURE = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def cell_code(method: str, task: str) -> dict[str, str]:
    """Return the digests of a cell's method and task, in a record's form; for plug-ins their distributions too."""
    return {**_code("method", METHODS, method), **_code("task", TASKS, task)}


def method_code(method: str) -> dict[str, str]:
    """Return the digests of `cell_code` for a method alone, for weights and cached features."""
    return _code("method", METHODS, method)


def forget_code() -> None:
    """Forget the digests of names, since a class has been registered anew under one of them."""
    _code_items.cache_clear()


def changed_parts(then: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return the parts of the code that differ; parts that one side does not know are ignored."""
    return [part for part, digest in then.items() if now.get(part, digest) != digest]


@functools.lru_cache(maxsize=1024)
def _code_items(part: str, registry: Registry[Any], name: str) -> tuple[tuple[str, str], ...]:
    cls = registry.get(name)
    digest = getattr(cls, "source_digest", None) or source_digest(cls.__module__)  # of another interpreter: it says so
    items = [(part, digest)] if digest else []
    distribution = registry.distribution(name)
    return (*items, (f"{part}_plugin", distribution)) if distribution else tuple(items)


def _code(part: str, registry: Registry[Any], name: str) -> dict[str, str]:
    return dict(_code_items(part, registry, name))


def source_digest(module: str) -> str:
    """Return the digest of a module with the modules that it imports; "" where its source is not at hand."""
    total = hashlib.sha256()
    modules = sorted(_closure(module))
    for name in modules:
        total.update(f"{name} {_file_digest(str(_file(name)))}\n".encode())
    return total.hexdigest()[:LENGTH] if modules else ""


def _closure(module: str) -> set[str]:
    """Return the names of all modules that count, `module` among them."""
    own = module.split(".")[0]
    followed = FOLLOWED if own in ("methods", "tasks", "benchmark") else (*FOLLOWED, own)
    modules: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in modules or _file(name) is None:
            continue
        modules.add(name)
        waiting += [other for other in _imports(name) if _is_within(other, followed)]
    return modules


def _is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@functools.lru_cache(maxsize=4096)
def _file(module: str) -> Path | None:
    """Return the source file of a module; None for a name that is no module, or has no source."""
    module_object = sys.modules.get(module)
    origin = getattr(module_object, "__file__", None)
    if module_object is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec else None
    path = Path(origin) if origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


@functools.lru_cache(maxsize=4096)
def _imports(module: str) -> tuple[str, ...]:
    """Return the full names of what a module imports: modules, and names that may be modules."""
    path = _file(module)
    assert path is not None
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: list[str] = []
    for node in _statements(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(names))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all statements, those within others too. Expressions hold no import, and are most of a tree."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, None)
            waiting += inner if isinstance(inner, list) else []


@functools.lru_cache(maxsize=4096)
def _file_digest(path: str) -> str:
    """Return the digest of a module's tokens, and of the data files beside it that it names."""
    content = Path(path).read_bytes()
    total = hashlib.sha256()
    for token in _significant(content):
        total.update(f"{token}\0".encode("utf-8", "backslashreplace"))
        name = token.strip("\"'")
        if name.endswith(DATA) and "/" not in name and (data := Path(path).with_name(name)).is_file():
            total.update(data.read_bytes())
    return total.hexdigest()


def _significant(content: bytes) -> Iterator[str]:
    """Yield the tokens of a source that bear on what it does: no comments, docstrings or line breaks."""
    starts = True  # whether a statement begins here
    waiting: str | None = None  # a text that begins a statement: a docstring, if the statement ends behind it
    for token in tokenize.tokenize(io.BytesIO(content).readline):
        if token.type in _LAYOUT:
            continue
        if waiting is not None:
            if token.type != tokenize.NEWLINE:
                yield waiting
            waiting = None
        if token.type in _STRUCTURE:
            starts = True
            yield tokenize.tok_name[token.type]
            continue
        if starts and token.type == tokenize.STRING:
            waiting = token.string
        else:
            yield token.string
        starts = False
