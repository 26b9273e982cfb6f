"""Check of a run's weights against their methods, before its first cell; every row with a fault is listed once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmark.canonical import digest
from benchmark.engine.building import build_from_key
from benchmark.errors import BenchmarkError, MissingError, raise_all
from benchmark.planning.plan import Cell


def check_weights(cells: Iterable[Cell]) -> None:
    """Load each row's weights once; raise `MissingError` that lists every row whose file does not fit, and why.

    Methods of another interpreter are left to their first cell.
    """
    rows = {
        digest([cell.spec.method, cell.spec.method_config, cell.weights_file]): cell
        for cell in cells
        if cell.weights_file is not None and cell.python is None
    }
    problems = []
    for cell in rows.values():
        try:
            build_from_key(cell.spec.method, cell.spec.method_config, Path(str(cell.weights_file)))
        except BenchmarkError as error:
            problems.append(f"{cell.row}: {error}")
    raise_all(problems, "no cell was run, for these weights cannot be used:", MissingError)
