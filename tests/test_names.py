"""Names of values are nouns: `plan`, not `made`; `history`, not `told`. A participle may name a boolean alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Participles that say only that something has happened to a value, not what it is. Terms of the field that are
# participles by form (hidden, masked, pooled, encoded, aligned, frozen, shared, expected) are names like any other, and
# `done` is the counterpart of `total` in every progress bar.
PARTICIPLES = """
    asked beaten begun bought brought built called caught changed checked chosen cited cleaned collected compared
    computed copied counted covered declared derived described drawn dropped ended entered estimated failed filled
    finished fixed found gained given gone got grown guessed held joined judged kept known learned learnt listed loaded
    lost made marked matched meant measured merged moved named needed noted noticed offered opened ordered packed
    placed planned prepared produced put queued reached received refused required returned said saved searched seen
    selected sent shown skipped solved sought spent started stated stored submitted summed taken told tried turned
    typed used wanted written
"""
PRONOUNS = "each everything here it mine nothing ours something that theirs them there these this those what"
UNCLEAR = {*PARTICIPLES.split(), *PRONOUNS.split()}

FOLDERS = ("benchmark", "methods", "tasks", "slurm", "tests")

BOOLEAN_CALLS = {"all", "any", "bool", "callable", "endswith", "exists", "hasattr", "is_dir", "is_file", "isdisjoint"}
BOOLEAN_CALLS |= {"isfinite", "isin", "isinstance", "isnan", "issubclass", "issubset", "startswith"}


def is_boolean(value: ast.expr | None) -> bool:
    """Whether an expression is a boolean (or an array of booleans) by its form alone."""
    match value:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Constant(value=bool()):
            return True
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return is_boolean(operand)
        case ast.BoolOp(values=values):
            return all(map(is_boolean, values))
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr(), left=left, right=right):
            return is_boolean(left) or is_boolean(right)
        case ast.IfExp(body=body, orelse=orelse):
            return is_boolean(body) and is_boolean(orelse)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in BOOLEAN_CALLS
    return False


def says_bool(annotation: ast.expr | None) -> bool:
    return annotation is not None and re.search(r"\bbool\b", ast.unparse(annotation)) is not None


def targets(node: ast.expr | None, value: ast.expr | None = None) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that an assignment to `node` binds to something else than a boolean."""
    match node:
        case ast.Name(id=name) if name.isupper() and isinstance(value, ast.Constant) and isinstance(value.value, str):
            pass  # the name of a state, FAILED = "failed"
        case ast.Name(id=name) | ast.Attribute(attr=name):
            if not is_boolean(value):
                yield node.lineno, name
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            pairwise = isinstance(value, ast.Tuple) and len(value.elts) == len(parts)
            for part, own_value in zip(parts, value.elts if pairwise else [None] * len(parts), strict=True):
                yield from targets(part, own_value)
        case ast.Starred(value=inner):
            yield from targets(inner)


def arguments(node: ast.arguments) -> Iterator[tuple[int, str]]:
    """Yield line and name of the arguments that neither their annotation nor their default calls a boolean."""
    positional = [*node.posonlyargs, *node.args]
    defaults = [*[None] * (len(positional) - len(node.defaults)), *node.defaults, *node.kw_defaults]
    for argument, default in zip([*positional, *node.kwonlyargs], defaults, strict=True):
        if not says_bool(argument.annotation) and not is_boolean(default):
            yield argument.lineno, argument.arg
    for argument in (node.vararg, node.kwarg):
        if argument is not None:
            yield argument.lineno, argument.arg


def bindings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every binding whose value is not known to be a boolean."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=many, value=value):
                for target in many:
                    yield from targets(target, value)
            case ast.AnnAssign(target=target, annotation=annotation):
                yield from () if says_bool(annotation) else targets(target)
            case ast.NamedExpr(target=target, value=value):
                yield from targets(target, value)
            case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
                yield from targets(target)
            case ast.withitem(optional_vars=target):
                yield from targets(target)
            case ast.arguments():
                yield from arguments(node)
            case ast.FunctionDef(name=name, returns=returns) | ast.AsyncFunctionDef(name=name, returns=returns):
                yield from () if says_bool(returns) else [(node.lineno, name)]
            case ast.ExceptHandler(name=str(name)):
                yield node.lineno, name


def unclear(source: str) -> list[tuple[int, str]]:
    """Return line and name of each participle or pronoun that names a value, in the order of lines."""
    names = bindings(ast.parse(source))
    return sorted((line, name) for line, name in names if name.strip("_").lower() in UNCLEAR)


@pytest.mark.parametrize("folder", FOLDERS)
def test_values_are_named_by_nouns(folder):
    names = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, name in unclear(path.read_text("utf-8"))
    ]
    assert not names, (
        "participles or pronouns name values. Name what the value is (`plan`, not `made`), or annotate it bool:\n"
        + "\n".join(names)
    )


@pytest.mark.parametrize(
    "source, names",
    [
        ("found = f()", ["found"]),
        ("a, (_found, *told) = f()", ["_found", "told"]),
        ("self.kept = 1", ["kept"]),
        ("made: int = 1", ["made"]),
        ("for seen in x: pass", ["seen"]),
        ("[asked for asked in x]", ["asked"]),
        ("with f() as given: pass", ["given"]),
        ("def f(known, *shown, taken=1): pass", ["known", "shown", "taken"]),
        ("lambda said: 1", ["said"]),
        ("def written(): pass", ["written"]),
        ("if (drawn := f()): pass", ["drawn"]),
        ("FOUND = 1", ["FOUND"]),
        ('FAILED, QUEUED = "failed", "queued"', []),
        ("found = a == b", []),
        ("found, made = x > 1, not y", []),
        ("found: bool = f()", []),
        ("self.done: bool | None = None", []),
        ("def f(done=False, *, kept: bool, seen: bool = g()): pass", []),
        ("def done() -> bool: pass", []),
        ("found = isinstance(x, str) and y is None", []),
        ("found = (x > 1) & ~mask", []),
        ("hidden = masked = f()", []),
        ("x.found.y = 1", []),
    ],
)
def test_the_rule_sees_every_kind_of_binding(source, names):
    assert [name for _, name in unclear(source)] == names
