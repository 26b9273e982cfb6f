"""A check of a presentation against a suite: every row, task, label set and column that it names must exist."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from benchmark.errors import did_you_mean
from benchmark.leaderboard.presentation import Presentation
from benchmark.planning.plan import Plan


def unknown_names(look: Presentation, plan: Plan, columns: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each name that the suite does not have.

    `columns` are the headings of all tables; they are not checked where only a part of the suite is shown.
    """
    rows = {method.row for method in plan.suite.methods} | {cell.row for cell in plan.cells}
    tasks = {task.name for task in plan.suite.tasks}
    label_sets = {f"{block.name}/{name}" for block in plan.suite.datasets for name in block.label_sets}
    names = look.names
    yield from _unknown("row", [*look.rows, *(look.baselines or ()), *look.own, *names.rows], rows)
    yield from _unknown("task", [*names.tasks, *(task for wide in look.wide for task in wide.tasks)], tasks)
    yield from _unknown("label set", [*names.label_sets, *(one for w in look.wide for one in w.label_sets)], label_sets)
    if not plan.part:
        mentions = [*look.columns, *names.columns, *(column for wide in look.wide for column in wide.columns)]
        yield from _unknown("column", mentions, columns)


def ambiguous_names(look: Presentation, plan: Plan, tables: Iterable[Collection[str]]) -> Iterator[str]:
    """Yield a sentence for each name that would stand for two rows, tasks or label sets, or two columns of a table.

    `tables` are the headings of each table.
    """
    rows = dict.fromkeys([method.row for method in plan.suite.methods] + [cell.row for cell in plan.cells])
    yield from _ambiguous("row", rows, look.row)
    yield from _ambiguous("task", dict.fromkeys(task.name for task in plan.suite.tasks), look.task)
    places = {f"{block.name}/{name}": None for block in plan.suite.datasets for name in block.label_sets}
    yield from _ambiguous("label set", places, lambda place: look.label_set(*place.split("/", 1)))
    yield from dict.fromkeys(line for columns in tables for line in _ambiguous("column", columns, look.column))


def _ambiguous(kind: str, names: Iterable[str], name_of: Callable[[str], str]) -> Iterator[str]:
    places: dict[str, str] = {}
    for name in names:
        other = places.setdefault(name_of(name), name)
        if other != name:
            yield f"the {kind}s {other!r} and {name!r} would both be called {name_of(name)!r}"


def _unknown(kind: str, mentions: Collection[str], names: Collection[str]) -> Iterator[str]:
    for name in dict.fromkeys(mentions):
        if name not in names:
            yield f"the suite has no {kind} {name!r}{did_you_mean(name, names)}"


def look_notes(plan: Plan, look: Presentation) -> list[str]:
    """Return a note on the baselines that the presentation leaves out."""
    left_out = dict.fromkeys(cell.row for cell in plan.cells if not look.shows(cell.row, cell.is_baseline))
    return [f"Left out by the presentation: the baselines {', '.join(left_out)}."] if left_out else []
