"""Changes of a suite's file since its records were collected: their plan is fixed, the file may ask otherwise now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmark.planning.suites import Block, Suite

UNASKED = {  # keys of a row that leave its questions alone, or that do not travel with a plan
    *("label", "weights", "python", "if_absent", "trained_on", "recipe", "choice")
}


def suite_changes(then: Suite, now: Suite) -> list[str]:
    """Return what `now` asks otherwise than `then`, in words: rows by name, then tasks and datasets."""
    before, after = ({block.row: _question_of(block) for block in suite.methods} for suite in (then, now))
    return [
        *_rows("without", [row for row in before if row not in after]),
        *_rows("with", [row for row in after if row not in before]),
        *_rows("with other options of", [row for row in before if row in after and before[row] != after[row]]),
        *(f"with other {kind}" for kind in ("tasks", "datasets") if _blocks(then, kind) != _blocks(now, kind)),
    ]


def _rows(how: str, rows: list[str]) -> Iterator[str]:
    if rows:
        yield f"{how} {', '.join(rows)}"


def _question_of(block: Block) -> Mapping[str, Any]:
    """Return what a block asks; of a tuned row with the values that were chosen for it."""
    choice = getattr(block, "choice", None) or {}
    return {**block.model_dump(mode="json", exclude=set(UNASKED)), "values": choice.get("values")}


def _blocks(suite: Suite, kind: str) -> list[Mapping[str, Any]]:
    return [_question_of(block) for block in getattr(suite, kind)]
