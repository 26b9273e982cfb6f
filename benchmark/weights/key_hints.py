"""Hints for a state dict whose names do not fit a method: a prefix to replace, or a table of renamings.

A hint is tried on names and shapes before it is given. Equal shapes do not prove that two tensors mean the same, and a
hint that rests on shapes alone says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
MOST_RULES = 24  # renamings that a hint prints
MOST_PAIRS = 12  # pairs of prefixes, the most frequent ones, whose fit is counted
DEEPEST = 3  # parts of a name that a renaming may have in front of the part that stays
OURS = "if state.keys() == self.state_dict().keys():\n            return state  # a file that the harness wrote"
PASTE = f"    def checkpoint_state(self, state):\n        {OURS}\n        {{}}"
LOOP = "    for name, value in state.items()"
BY_SHAPE = (
    "in the order of the file the shapes agree, which does not prove that the tensors mean the same; if they do, "
    "this method of the class renames them:\n"
)


@dataclass(frozen=True)
class Prefix:
    """The replacement of one beginning of names by another; names with another beginning are left out."""

    old: str
    new: str

    def apply(self, names: Iterable[str]) -> dict[str, str]:
        """Map each name that has the old beginning to its new name."""
        return {name: self.new + name[len(self.old) :] for name in names if name.startswith(self.old)}

    def code(self, unused: tuple[str, ...] = ()) -> str:
        """Return the statement that does it and leaves out names that begin with one of `unused`."""
        name = f'name.removeprefix("{self.old}")' if self.old else "name"
        key = f'"{self.new}" + {name}' if self.new else name
        conditions = [f'name.startswith("{self.old}")'] if self.old else []
        if unused:
            conditions.append(f"not name.startswith({_in_code(unused)})")
        if not conditions:
            return f"return {{{key}: value for name, value in state.items()}}"
        return _lines("return {", f"    {key}: value", LOOP, f"    if {' and '.join(conditions)}", "}")


def hint(own: Shapes, state: Shapes) -> str | None:
    """Return how the names of `state` would fit those of a method, as a sentence with code, or None.

    `own` are the names and shapes of the method's tensors, `state` those that its `checkpoint_state` returned.
    """
    identity = Prefix("", "")
    prefix = max((identity, *_prefixes(own, state)), key=lambda pair: (_fit(pair, own, state), pair == identity))
    mapping = prefix.apply(state)
    fitting = {old: new for old, new in mapping.items() if own.get(new) == state[old]}
    if len(fitting) == len(own):
        return _whole(prefix, fitting, mapping, state)
    by_order = _by_order(fitting, own, state)
    if by_order and (rules := _rules({**fitting, **by_order}, state)):
        return BY_SHAPE + PASTE.format(_table(rules))
    if len(fitting) > max(len(own) // 2, len(own.keys() & state.keys())):
        return f"{len(fitting)} of {len(own)} tensors fit with this method of the class:\n{PASTE.format(prefix.code())}"
    return None


def _fit(prefix: Prefix, own: Shapes, state: Shapes) -> int:
    return sum(own.get(new) == state[old] for old, new in prefix.apply(state).items())


def _prefixes(own: Shapes, state: Shapes) -> list[Prefix]:
    """Return the pairs of beginnings that most tensors of equal shape and ending suggest."""
    by_ending: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, shape in own.items():
        by_ending.setdefault((_last(name), shape), []).append(name)
    pairs = Counter(
        _beginnings(old, new) for old, shape in state.items() for new in by_ending.get((_last(old), shape), ())
    )
    return [Prefix(*pair) for pair, _ in pairs.most_common(MOST_PAIRS)]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _beginnings(old: str, new: str, at_least: int = 0) -> tuple[str, str]:
    """Return two names without the parts at the end that they share; `at_least` so many parts of `old` stay."""
    a, b = old.split("."), new.split(".")
    shared = 0
    while shared < min(len(a) - at_least, len(b)) and a[-1 - shared] == b[-1 - shared]:
        shared += 1
    first_parts = (parts[: len(parts) - shared] for parts in (a, b))
    old_beginning, new_beginning = ("".join(f"{part}." for part in parts) for parts in first_parts)
    return (old_beginning, new_beginning) if shared else (old, new)


def _whole(prefix: Prefix, fitting: Mapping[str, str], mapping: Mapping[str, str], state: Shapes) -> str:
    """Return the hint for a prefix with which every tensor of the method fits."""
    surplus = [old for old in mapping if old not in fitting]
    unused = tuple(dict.fromkeys(name.rpartition(".")[0] + "." if "." in name else name for name in surplus))
    if any(name.startswith(unused) for name in fitting):
        unused = tuple(surplus)
    left_out = len(state) - len(fitting)
    but = f", without {left_out} tensors that the method does not have," if left_out else ""
    return f"it fits{but} with this method of the class:\n{PASTE.format(prefix.code(unused))}"


def _by_order(fitting: Mapping[str, str], own: Shapes, state: Shapes) -> dict[str, str]:
    """Map the names left over in the file, in its order, to those that the method still lacks; {} unless all match."""
    lacking = [name for name in own if name not in set(fitting.values())]
    rest = iter(name for name in state if name not in fitting)
    mapping = {}
    for new in lacking:
        old = next((name for name in rest if state[name] == own[new] and _last(name) == _last(new)), None)
        if old is None:
            return {}
        mapping[old] = new
    return mapping


def _rules(mapping: Mapping[str, str], state: Shapes) -> dict[str, str]:
    """Return the shortest table of beginnings that gives exactly `mapping`; {} where there is none of a fair length."""
    for depth in range(1, DEEPEST + 1):
        rules = dict(_beginnings(old, new, depth) for old, new in mapping.items())
        if len(rules) <= MOST_RULES and _applied(rules, state) == [
            (old, mapping[old]) for old in state if old in mapping
        ]:
            return rules
    return {}


def _applied(rules: Mapping[str, str], state: Shapes) -> list[tuple[str, str]]:
    """Return what the code of `_table` does, as pairs of names."""
    return [
        (name, new + name.removeprefix(old)) for name in state for old, new in rules.items() if name.startswith(old)
    ]


def _table(rules: Mapping[str, str]) -> str:
    """Return the statements that rename by a table of beginnings and leave out every other name."""
    table = (f'    "{old}": "{new}",' for old, new in rules.items())
    loops = (LOOP, "    for old, new in names.items()", "    if name.startswith(old)")
    return _lines("names = {", *table, "}", "return {", "    new + name.removeprefix(old): value", *loops, "}")


def _lines(*lines: str) -> str:
    """Return lines of code, indented as the body of a method is."""
    return "\n        ".join(lines)


def _in_code(names: tuple[str, ...]) -> str:
    words = ", ".join(f'"{name}"' for name in names)
    return words if len(names) == 1 else f"({words})"
