"""The similarity of a suite's encoders, ready to print: Markdown, CSV and a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import seaborn as sns
from matplotlib.figure import Figure

from benchmark.inert import csv_text, markdown_row, markdown_text
from benchmark.leaderboard.figures.style import WARNING_COLOUR, describe, fit, letters, single, styled
from benchmark.metrics.row_similarity import RowSimilarity

CSV_COLUMNS = (
    *("a", "b", "cka", "ci95_low", "ci95_high", "trainings_a", "trainings_b"),
    *("recordings", "patients", "warning"),
)
SYNTHETIC = "SYNTHETIC DATA: generated signals; the numbers say nothing about medicine."
ABOUT = (
    "Linear CKA of features, estimated without bias (Kornblith et al., ICML 2019; Song et al., JMLR 2012): 1 for "
    "features that are equal up to rotation and scale, around 0 for unrelated ones. On the diagonal: between different "
    "trainings of the row. Numbers of rows are means over pairs of trainings; the CSV has 95 % intervals over patients."
)
LINE = 0.28  # inches of a row in the figure


@dataclass(frozen=True)
class Heading:
    """Title of a similarity table, and the facts about its data in words."""

    title: str
    facts: str
    synthetic: bool


def markdown(result: RowSimilarity, heading: Heading) -> str:
    """Return a page with one table; columns are numbered as the rows are."""
    numbers = [str(index + 1) for index in range(len(result.rows))]
    lines = [
        [number, markdown_text(row), *(_text(value) for value in result.value[index])]
        for index, (number, row) in enumerate(zip(numbers, result.rows, strict=True))
    ]
    parts = [f"# {markdown_text(heading.title)}"]
    parts += [f"> **{SYNTHETIC}**"] if heading.synthetic else []
    table = [
        markdown_row(["", "method", *numbers]),
        markdown_row(["--:", "---", *("--:" for _ in numbers)]),
        *map(markdown_row, lines),
    ]
    return "\n\n".join([*parts, f"{markdown_text(heading.facts)} {ABOUT}", "\n".join(table)]) + "\n"


def spreadsheet(result: RowSimilarity, synthetic: bool) -> str:
    """Return a CSV with a line per pair of rows, each pair once."""
    lines: list[Sequence[object]] = []
    for a, name in enumerate(result.rows):
        for b in range(a, len(result.rows)):
            if not math.isnan(result.value[a, b]):
                numbers = [round(float(part[a, b]), 6) for part in (result.value, result.low, result.high)]
                pair = (result.members[a], result.members[b], result.recordings, result.patients)
                lines.append((name, result.rows[b], *numbers, *pair, "SYNTHETIC" if synthetic else ""))
    return csv_text(CSV_COLUMNS, lines)


def draw(result: RowSimilarity, heading: Heading) -> Figure:
    """Draw the table as a heat map."""
    names = list(result.rows)
    longest = max(map(len, names))
    with styled():
        figure, axis = single(0.8 + LINE * len(names) + letters(longest))
        sns.heatmap(
            result.value, vmin=0, vmax=1, cmap="viridis", annot=True, fmt=".2f", annot_kws={"fontsize": 8},
            xticklabels=names, yticklabels=names, ax=axis, cbar_kws={"label": "linear CKA", "pad": 0.02},
        )  # fmt: skip
        for text in axis.texts:
            text.set_text(text.get_text().removeprefix("0"))
        axis.tick_params(axis="x", rotation=90)
        axis.tick_params(axis="y", rotation=0)
        fit(figure)
        if heading.synthetic:
            figure.text(0.995, 0.005, "SYNTHETIC DATA", ha="right", va="bottom", color=WARNING_COLOUR, fontsize=8)
    return describe(figure, f"{heading.title}: linear CKA between the features of every two rows.")


def _text(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
