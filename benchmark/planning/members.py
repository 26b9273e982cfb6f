"""Members of a row: the same method trained several times, which a list of seeds in its block asks for.

``pretrain.seed``, ``training.seed`` or ``config.seed`` of a row may be a list. Each of its seeds is a member with cells
of its own; tables show the row once.
"""

from __future__ import annotations

from typing import Any

from benchmark.errors import UsageError, brief
from benchmark.planning.suites import MethodBlock

SEED = "seed"
TABLES = ("pretrain", "training", "config")  # the tables of a row in which a list of seeds makes members


def members(method: MethodBlock) -> list[tuple[int | None, MethodBlock]]:
    """Return each member of a row as its seed and its block; a row without a list is its own single member (None).

    Raises `UsageError` for lists in two tables, for one beside weights that all members would load, and for an empty
    list or one with repetitions or other values.
    """
    lists = {name: seeds for name in TABLES if (seeds := _seeds(getattr(method, name))) is not None}
    if not lists:
        return [(None, method)]
    if len(lists) > 1:
        places = " and ".join(f"{name}.{SEED}" for name in lists)
        raise UsageError(f"{method.row} has lists in {places}; keep one, since members differ in one seed")
    ((name, seeds),) = lists.items()
    if name == "config" and method.weights is not None:
        raise UsageError(
            f"config.{SEED} of {method.row} is a list, but all of them load the same weights; keep one seed"
        )
    _check(f"{name}.{SEED} of {method.row}", seeds)
    table: dict[str, Any] = getattr(method, name)
    return [(seed, method.model_copy(update={name: {**table, SEED: seed}})) for seed in seeds]


def _seeds(table: dict[str, Any] | None) -> list[Any] | None:
    seeds = (table or {}).get(SEED)
    return seeds if isinstance(seeds, list) else None


def _check(where: str, seeds: list[Any]) -> None:
    wrong = [seed for seed in seeds if not isinstance(seed, int) or isinstance(seed, bool)]
    if not seeds or wrong:
        fault = f"holds {brief(wrong[0])}" if wrong else "is an empty list"
        raise UsageError(f"{where} {fault}; give whole numbers such as [0, 1, 2]")
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"{where} names a seed twice: {seeds}; equal seeds give equal trainings, so give each once")
