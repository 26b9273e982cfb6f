"""How the options of each pre-trained row were chosen: as published, as is, or by tuning, with its budget and cost.

Tables of a suite that neither tunes nor follows a paper's recipe say nothing about it.
"""

from __future__ import annotations

from collections.abc import Collection

from benchmark.planning.choices import with_choices
from benchmark.planning.suites import MethodBlock, Suite

AS_PUBLISHED, AS_IS, TUNED, UNTUNED = "as published", "as is", "tuned", "not tuned yet"
COLUMNS = ("recipe", "tuning_trials", "tuning_recordings")  # of the CSV


def recipes(suite: Suite) -> dict[str, str]:
    """Return by row how its options were chosen; {} for a suite in which no row is tuned or as published."""
    if not any(block.tune or block.recipe for block in suite.methods):
        return {}
    untuned = with_choices(suite, versions_count=False).untuned
    return {block.row: kind for block in suite.methods if (kind := _kind(block, untuned))}


def _kind(block: MethodBlock, untuned: Collection[str]) -> str:
    if block.tune is not None:
        return UNTUNED if block.row in untuned else TUNED
    return block.recipe or (AS_IS if block.pretrain is not None else "")


def recipe_notes(suite: Suite, rows: Collection[str]) -> list[str]:
    """Return a note on the rows of each kind among `rows`, and one on each tuned row."""
    kinds = {row: kind for row, kind in recipes(suite).items() if row in rows}
    blocks = {block.row: block for block in suite.methods}
    lines = [
        f"{title}: {'; '.join(names)}."
        for kind, title in (
            (AS_PUBLISHED, "As published (the recipe of the paper or its release)"),
            (AS_IS, "As is (options of this project or of the method's defaults, not tuned here)"),
        )
        if (names := [row for row, of_row in kinds.items() if of_row == kind])
    ]
    return lines + [_tuned_note(blocks[row]) for row, kind in kinds.items() if kind == TUNED]


def _tuned_note(block: MethodBlock) -> str:
    choice = block.choice or {}
    values = ", ".join(f"{name.partition('.')[2]} = {value}" for name, value in sorted(choice["values"].items()))
    own = ", the row's own values" if choice.get("is_own") else ""
    failures = f", {choice['failed']} failed" if choice.get("failed") else ""
    return (
        f"{block.row}: tuned by {choice.get('trials')} trials{failures} ({choice.get('trainings')} trainings, "
        f"{choice.get('recordings', 0):,} recordings), chosen by {choice.get('measure')}: {values}{own}."
    )


def recipe_cells(suite: Suite) -> dict[str, dict[str, object]]:
    """Return `COLUMNS` of each row; {} for a suite that says nothing about recipes."""
    choices = {block.row: block.choice or {} for block in suite.methods}
    return {
        row: {
            "recipe": kind,
            "tuning_trials": choices[row].get("trials", "") if kind == TUNED else "",
            "tuning_recordings": choices[row].get("recordings", "") if kind == TUNED else "",
        }
        for row, kind in recipes(suite).items()
    }
