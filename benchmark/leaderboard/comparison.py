"""Comparison of two methods: paired differences per question, corrected over all questions, and changes by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.errors import UsageError
from benchmark.inert import markdown_row, markdown_text
from benchmark.leaderboard.ranking import LEVEL, difference_of
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import p_text
from benchmark.metrics.paired import Difference, holm


@dataclass(frozen=True)
class Line:
    """One question that both methods answered.

    `difference` is None where resamples are missing, differ, or have no spread to judge it by.
    """

    title: str
    a: float
    b: float
    difference: Difference | None
    p_corrected: float | None
    higher_is_better: bool
    classes: dict[str, float]  # AUROC of a - b by class
    metric: str = ""  # for readers, with its unit
    trainings: tuple[int, int] = (1, 1)  # of a and of b

    @property
    def winner(self) -> str:
        """Return ``a``, ``b`` or ``not separated``; ``not tested`` without a difference."""
        if self.difference is None or self.p_corrected is None:
            return "not tested"
        if self.p_corrected >= LEVEL:
            return "not separated"
        return "a" if (self.a > self.b) == self.higher_is_better else "b"


def compare(board: Leaderboard, a: str, b: str) -> list[Line]:
    """Return the questions that rows `a` and `b` both answered completely, in the order of the tables."""
    if a == b:
        raise UsageError(f"{a} is compared with itself; name two rows of the suite")
    pairs = []
    for table in board.tables:
        for column in table.columns:
            first, second = table.body.get((a, column)), table.body.get((b, column))
            if first and second and first.complete and second.complete:
                metric = "" if table.higher_is_better else f", {table.directed_metric}"
                pairs.append((f"{table.title}, {column}{metric}", table.directed_metric, first, second))
    if not pairs:
        raise UsageError(f"{a} and {b} have no question that both have answered completely; run what they lack first")
    differences = [difference_of(first, second) for *_, first, second in pairs]
    corrected = iter(holm([d.p for d in differences if d is not None]))
    return [
        Line(
            title,
            first.mean,
            second.mean,
            difference,
            next(corrected) if difference is not None else None,
            first.higher_is_better,
            _movement(first, second),
            metric,
            (first.trainings, second.trainings),
        )
        for (title, metric, first, second), difference in zip(pairs, differences, strict=True)
    ]


def _movement(a: Entry, b: Entry) -> dict[str, float]:
    first, second = a.per_class, b.per_class
    return {name: first[name] - second[name] for name in first if name in second}


def to_json(lines: list[Line]) -> dict[str, Any]:
    """Return the comparison as JSON values; untested fields are null."""
    return {"questions": [{**asdict(line), "better": line.winner} for line in lines], "level": LEVEL}


def remarks(board: Leaderboard) -> list[str]:
    """Return what a reader of the comparison must know: the warnings of tables, and rows that were trained once."""
    return [*board.warnings(), *board.trained_once()]


def markdown(lines: list[Line], a: str, b: str, remarks: Sequence[str] = (), classes: int = 3) -> str:
    """Return the comparison as text: a table, the count of wins, and the largest changes by class of each question.

    `remarks` stand above the table, since a file travels alone.
    """
    wins = {
        outcome: sum(line.winner == outcome for line in lines) for outcome in ("a", "b", "not separated", "not tested")
    }
    untested = (
        f", not tested (no resamples of patients, or no spread among them): {wins['not tested']}"
        if wins["not tested"]
        else ""
    )
    counts = f"{a} better: {wins['a']}, {b} better: {wins['b']}, not separated: {wins['not separated']}{untested}"
    head = ["question", a, b, "difference", "95 % interval", "p, corrected", "better"]
    parts = [
        f"# {markdown_text(f'{a} against {b}')}",
        *(f"> **{markdown_text(line)}**" for line in remarks),
        f"{markdown_text(counts)}. Paired bootstrap over patients{_variance(lines)}, 95 % interval, Holm over these "
        f"{len(lines) - wins['not tested']} questions, {LEVEL:.0%}.",
        "\n".join([_row(head), "|---" * len(head) + "|", *(_row(_cells(line, a, b)) for line in lines)]),
        "## Classes that moved most (AUROC, mean over seeds)",
        "\n".join(
            f"- {markdown_text(f'{line.title}: {_format_movement(line, classes)}')}" for line in lines if line.classes
        )
        or "No per-class results.",
    ]
    return "\n\n".join(parts) + "\n"


def _variance(lines: list[Line]) -> str:
    return " and variance between trainings" if any(max(line.trainings) > 1 for line in lines) else ""


def _row(texts: list[str]) -> str:
    return markdown_row([markdown_text(text) for text in texts])


def _cells(line: Line, a: str, b: str) -> list[str]:
    difference = line.difference
    numbers = [f"{line.a:.3f}", f"{line.b:.3f}", f"{line.a - line.b:+.3f}"]
    numbers += (
        [f"{difference.low:+.3f} to {difference.high:+.3f}", p_text(line.p_corrected)]
        if difference is not None and line.p_corrected is not None
        else ["–", "–"]
    )
    return [line.title, *numbers, {"a": a, "b": b}.get(line.winner, line.winner)]


def _format_movement(line: Line, count: int) -> str:
    order = sorted(line.classes.items(), key=lambda item: (-abs(item[1]), item[0]))[:count]
    return ", ".join(f"{name} {change:+.3f}" for name, change in order)
