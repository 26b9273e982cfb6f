"""Small faults, one at a time, in the code that a number rests on: which ones there are, and how they read.

A mutant is the syntax tree of a module with one node changed: a comparison shifted or turned round, an operator or a
function exchanged for its neighbour, a constant moved, a condition negated. Messages and annotations are left alone.
(mutmut and cosmic-ray start Python and its libraries anew for every mutant, which a fork does not.)
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FIELDS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
FIELDS |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
ARITHMETIC |= {ast.Pow: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
SWAPPED = [("min", "max"), ("any", "all"), ("argmin", "argmax"), ("minimum", "maximum"), ("mean", "sum")]
SWAPPED += [("logical_and", "logical_or"), ("sf", "cdf"), ("cumsum", "cumprod"), ("left", "right")]
NEIGHBOUR = dict(SWAPPED) | {b: a for a, b in SWAPPED}


@dataclass(frozen=True)
class Mutant:
    """One fault: `name` says it without line numbers, so that a list of names outlives edits elsewhere in the file."""

    name: str
    line: int
    tree: ast.Module


def mutants(path: Path) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    tree = ast.parse(path.read_text("utf-8"))
    result, calls = [], Counter[str]()
    for place, (function, node) in enumerate(sites(tree)):
        for number, _ in enumerate(changes(node)):
            variant = copy.deepcopy(tree)
            target = list(sites(variant))[place][1]
            before = describe(target)
            list(changes(target))[number]()
            name = f"{path.stem}.{function}: {before} -> {describe(target)}"
            calls[name] += 1
            again = f" (#{calls[name]})" if calls[name] > 1 else ""
            result.append(Mutant(name + again, target.lineno, ast.fix_missing_locations(variant)))  # type: ignore[attr-defined]
    return result


def sites(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Nodes that may be changed, with the function they are in."""

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Assert):
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            function = node.name if function == "module" else f"{function}.{node.name}"
        yield function, node
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not is_text(child):
                    yield from walk(child, function)

    return walk(tree, "module")


def is_text(node: ast.AST) -> bool:
    """A docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def changes(node: ast.AST) -> Iterator[object]:
    """Functions that put one fault each into `node`."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            if type(operator) in FIELDS:
                other = FIELDS[type(operator)]()
                yield lambda place=place, other=other: node.ops.__setitem__(place, other)
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in ARITHMETIC:
        yield lambda: setattr(node, "op", ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
        yield lambda: setattr(node, "op", ast.UAdd() if isinstance(node.op, ast.USub) else Same())
    elif isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.IfExp | ast.If):
        yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Constant) and shift(node.value) is not None:
        yield lambda: setattr(node, "value", shift(node.value))
    elif isinstance(node, ast.Attribute) and node.attr in NEIGHBOUR:
        yield lambda: setattr(node, "attr", NEIGHBOUR[node.attr])
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in NEIGHBOUR:
        yield lambda: setattr(node, "id", NEIGHBOUR[node.id])


class Same(ast.Not):
    """Stands for an operator that was taken away; `Plain` removes it."""


def shift(value: object) -> object:
    """A constant beside `value`; None where there is no telling one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.5 or 1.0
    return NEIGHBOUR.get(value) if isinstance(value, str) else None


class Plain(ast.NodeTransformer):
    """Takes operators away that are marked as `Same`."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if isinstance(node.op, Same) else node


def describe(node: ast.AST) -> str:
    """The node as source, on one line; of an `if` its condition."""
    output = node.test if isinstance(node, ast.If) else node
    text = " ".join(ast.unparse(ast.fix_missing_locations(Plain().visit(copy.deepcopy(output)))).split())
    return text if len(text) <= 90 else text[:87] + "..."
