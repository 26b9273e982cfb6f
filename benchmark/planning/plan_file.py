"""A plan beside collected records, or in their file: it lets tables be made without weights, plug-ins or the suite."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.atomic import write_text
from benchmark.errors import DataError, brief, did_you_mean, raise_all
from benchmark.names import name_problem
from benchmark.planning.plan import Cell, CellGroup, Plan, TaskFacts, chosen_part
from benchmark.planning.skips import ALL_ROWS, ALL_TASKS, Skip
from benchmark.planning.suites import Suite
from benchmark.records.files import files_at, is_archive
from benchmark.records.paths import PLAN

VERSION = 1


def write_plan(plan: Plan, folder: Path) -> None:
    """Write `plan_text` beside the records of a folder."""
    write_text(folder / PLAN, plan_text(plan))


def plan_text(plan: Plan) -> str:
    """Return the cells, the skipped questions and the facts about tasks as JSON, without any path of this machine."""
    cells = [replace(cell, weights_file=None, python=None) for cell in plan.cells]
    suite = plan.suite.model_dump(mode="json")
    suite["methods"] = [_travelling(block) for block in suite["methods"]]
    content: dict[str, Any] = {
        "version": VERSION,
        "suite": suite,
        "tasks": {name: _task_table(facts) for name, facts in plan.tasks.items()},
        "part": plan.part,
        "skipped": [vars(skip) for skip in plan.skips],
        **({"untuned": dict(plan.untuned)} if plan.untuned else {}),
    }
    lines = [json.dumps(cell.to_json(), ensure_ascii=False) for cell in cells]
    head = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return head[:-1] + ',\n"cells": [\n' + ",\n".join(lines) + "\n]}\n"


def _task_table(facts: TaskFacts) -> dict[str, Any]:
    """Return the facts under the keys that these files have had from the first version on."""
    table = {"primary": facts.primary, "protocol": facts.protocol, "shown": facts.grid_metrics}
    return table if facts.higher_is_better else {**table, "higher_is_better": False}


def _task_facts(table: Mapping[str, Any]) -> TaskFacts:
    direction = bool(table.get("higher_is_better", True))  # absent from older files too; records say it as well
    return TaskFacts(table["primary"], table["protocol"], tuple(table["shown"]), direction)


def _travelling(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's block without its files, and without what to do if they are missing."""
    return {key: value for key, value in block.items() if key != "if_absent"} | {"weights": None, "python": None}


def read_plan(records: Path, methods: Collection[str] = (), tasks: Collection[str] = ()) -> Plan | None:
    """Return the plan of collected records, limited to these rows and tasks if any are named; None without one.

    `records` is their folder or their Parquet file. Raises `DataError` for a file that is no plan.
    """
    path = records if is_archive(records) else records / PLAN
    try:
        text = files_at(records).plan_text()
        if text is None:
            return None
        content: dict[str, Any] = json.loads(text)
        if content["version"] != VERSION:
            raise DataError(
                f"{path} has the version {content['version']}, this one reads {VERSION}: use a newer ecgarena"
            )
        cells = CellGroup.from_json(content["cells"]).cells
        facts = {name: _task_facts(table) for name, table in content["tasks"].items()}
        skip_list = [Skip(**skip) for skip in content["skipped"]]
        suite = Suite.model_validate(content["suite"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}: {error}); collect the records again") from None
    _check_paths(cells, path)
    rows = {cell.row for cell in cells}
    _check("methods", methods, rows)
    _check("tasks", tasks, set(facts))

    def is_wanted(row: str, task: str) -> bool:
        return (not methods or row in (*methods, ALL_ROWS)) and (not tasks or task in (*tasks, ALL_TASKS))

    return Plan(
        suite,
        tuple(cell for cell in cells if is_wanted(cell.row, cell.spec.task) and (not methods or cell.row in methods)),
        tuple(skip for skip in skip_list if is_wanted(skip.row, skip.task)),
        facts,
        part=(*content.get("part", ()), *chosen_part(methods, rows, tasks, set(facts))),
        untuned={row: why for row, why in content.get("untuned", {}).items() if not methods or row in methods},
    )


def _check_paths(cells: Collection[Cell], path: Path) -> None:
    """Raise `DataError` for a part of a path that `write_plan` could not have written."""
    parts = {part for cell in cells for part in (cell.spec.task, cell.spec.method, cell.spec.dataset)}
    parts |= {cell.weights_folder for cell in cells if cell.weights_folder is not None}
    wrong = {part: name_problem(part) if isinstance(part, str) else "it is no text" for part in parts}
    problems = [f"{brief(part)}: {problem}" for part, problem in wrong.items() if problem]
    raise_all(problems, f"{path} has names that cannot be part of a path:", DataError)


def _check(option: str, choice: Collection[str], choices: Collection[str]) -> None:
    wrong = [f"the records have no {name!r}{did_you_mean(name, choices)}" for name in choice if name not in choices]
    raise_all(wrong, f"--{option}:")
