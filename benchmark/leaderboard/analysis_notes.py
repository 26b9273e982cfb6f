"""Notes below the tables on the analyses that records hold beside their metrics."""

from __future__ import annotations

from benchmark.leaderboard.summary import Entry


def sensitivity_notes(entries: list[Entry]) -> list[str]:
    """Return a line per zero-shot entry on how much the wording of prompts moves it."""
    lines = []
    for entry in entries:
        for result in entry.results:
            phrases = result.analysis.get("single_phrases")
            if phrases:
                variant = ", ".join(str(value) for value in entry.variant.values() if value != "none")
                where = f"{entry.row} × {entry.task}, {entry.dataset}/{entry.label_set}, {variant}"
                numbers = "{min:.3f} to {max:.3f} (sd {sd:.3f}, ".format(**phrases)
                lines.append(f"{where}: one phrase per class gives {numbers}{len(phrases['values'])} wordings).")
    return lines


def chance_notes(entries: list[Entry]) -> list[str]:
    """Return the chance level per dataset and label set, for tasks that define one."""
    lines = {
        f"{entry.task}, {entry.dataset}/{entry.label_set}: chance is {level:.3f} ({result.primary})."
        for entry in entries
        for result in entry.results
        if (level := result.analysis.get("chance", {}).get(result.primary)) is not None
    }
    return sorted(lines)
