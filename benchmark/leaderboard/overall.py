"""Rows over all questions of a task: mean rank and win rate, with intervals from the same resamples as the tables.

A question is a column of a table, with signals as recorded. On each resample of patients and trainings the rows are
ranked anew in every question. Questions on different label sets have different patients, so their resamples are drawn
independently.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from benchmark.leaderboard.resampled_rows import resampled_values
from benchmark.leaderboard.summary import SIGNAL, Entry
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import Leaderboard
from benchmark.metrics.statistics import interval

FEWEST = 2  # rows and questions; fewer give no summary

Bounds = tuple[float, float]


@dataclass(frozen=True)
class RowOverall:
    """A row's mean rank (1: best) and its win rate: the share of its comparisons that it wins, ties as half."""

    row: str
    is_baseline: bool
    rank: float
    win_rate: float
    rank_interval: Bounds | None
    win_interval: Bounds | None


@dataclass(frozen=True)
class Overall:
    """All rows of a task that answered every question, the best first, and the rows that did not.

    Questions that fewer than two rows answered are `unanswered`, and do not count. `reason` says why there are no
    rows; it is empty where there are.
    """

    task: str
    questions: int
    rows: list[RowOverall]
    left_out: list[str]
    unanswered: list[str]  # for readers
    reason: str = ""


class Question(NamedTuple):
    """A column of a table: its title for readers, and its complete entries by row."""

    title: str
    entries: dict[str, Entry]


def overall(board: Leaderboard) -> list[Overall]:
    """Return the rows over all questions of each task that asks several rows several questions, once some are answered.

    A task whose rows cannot be summed up has no rows and a reason.
    """
    by_task = itertools.groupby([table for table in board.tables if table.is_ranked], key=lambda table: table.task)
    return [result for task, tables in by_task if (result := _of_task(task, list(tables))) is not None]


def _of_task(task: str, tables: list[Table]) -> Overall | None:
    columns = [question for table in tables for question in _questions(table)]
    rows = list(dict.fromkeys(row for table in tables for row in table.all_rows))
    if len(rows) < FEWEST or len(columns) < FEWEST or not any(question.entries for question in columns):
        return None
    questions = [question.entries for question in columns if len(question.entries) >= FEWEST]
    unanswered = [question.title for question in columns if len(question.entries) < FEWEST]
    present = [row for row in rows if all(row in entries for entries in questions)]
    left_out = [row for row in rows if row not in present]
    if len(questions) < FEWEST:
        return Overall(task, len(questions), [], [], unanswered, "fewer than two questions have two rows or more")
    if len(present) < FEWEST:
        return Overall(
            task, len(questions), [], left_out, unanswered, "fewer than two rows have answered all questions"
        )
    summaries = _rows(tables, questions, present)
    return Overall(task, len(questions), sorted(summaries, key=lambda summary: summary.rank), left_out, unanswered)


def _rows(tables: list[Table], questions: list[dict[str, Entry]], present: list[str]) -> list[RowOverall]:
    """Return the rows that answered all questions, with their intervals."""
    baselines = {row for table in tables for row in table.baselines}
    ranks, wins = _ranks(np.array([[_signed(entries[row]) for row in present] for entries in questions]))
    draws = _resampled(questions, present)
    intervals = [(None, None)] * len(present) if draws is None else _intervals(*_ranks(draws))
    return [
        RowOverall(row, row in baselines, float(rank), float(win), *bounds)
        for row, rank, win, bounds in zip(present, ranks, wins, intervals, strict=True)
    ]


def _questions(table: Table) -> Iterator[Question]:
    """Yield the columns of a table, without those on perturbed signals or few leads."""
    for column in table.columns:
        entries = {row: table.body[row, column] for row in table.all_rows if (row, column) in table.body}
        if not any(SIGNAL in entry.variant for entry in entries.values()):
            title = f"{table.subject}, {table.look.column(column)}"
            yield Question(title, {row: entry for row, entry in entries.items() if entry.complete})


def _signed(entry: Entry) -> float:
    """Return the entry's mean, turned so that more is better."""
    return entry.mean if entry.higher_is_better else -entry.mean


def _resampled(questions: list[dict[str, Entry]], rows: list[str]) -> np.ndarray | None:
    """Return signed numbers ``(question, row, resample)``; None where some entry keeps no resamples, or other ones.

    None, too, where no row of some question differs between resamples: patients are too few to draw from.
    """
    values: list[np.ndarray] = []
    for entries in questions:
        if len({entries[row].results[0].resampling for row in rows}) > 1 or all(entries[row].is_flat for row in rows):
            return None
        for row in rows:
            draw = resampled_values(entries[row])
            if draw is None or (values and draw.shape != values[0].shape):
                return None
            values.append(draw if entries[row].higher_is_better else -draw)
    return np.array(values).reshape(len(questions), len(rows), -1)


def _ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean rank and win rate of each row: ``(question, row, ...) -> (row, ...), (row, ...)``.

    A rank counts the rows that are better, and half of those that are equal; so it holds the duels a row has lost.
    """
    ranks = rankdata(-values, axis=1).mean(axis=0)
    return ranks, 1 - (ranks - 1) / (values.shape[1] - 1)


def _intervals(ranks: np.ndarray, wins: np.ndarray) -> list[tuple[Bounds | None, Bounds | None]]:
    return [(interval(rank), interval(win)) for rank, win in zip(ranks, wins, strict=True)]
