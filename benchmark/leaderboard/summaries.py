"""Tables over many questions, ready to print: rows over all questions of a task, and label savings."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.inert import csv_text, markdown_row, markdown_text
from benchmark.leaderboard.label_savings import NEVER, Saving, Savings, label_savings
from benchmark.leaderboard.overall import Overall, RowOverall, overall
from benchmark.leaderboard.presentation import Presentation
from benchmark.leaderboard.tables import Leaderboard

CSV_COLUMNS = ("method", "task", "questions", "quantity", "value", "ci95_low", "ci95_high")


@dataclass(frozen=True)
class SummaryTable:
    """A table of texts: `lines` under `head`, with a sentence on how to read it, or on why there are no lines."""

    title: str
    about: str
    head: list[str]
    lines: list[list[str]]


def summary_tables(board: Leaderboard) -> list[SummaryTable]:
    look = board.look
    return [
        *(_of_rows(result, look) for result in overall(board)),
        *(_of_savings(result, look) for result in label_savings(board)),
    ]


def _of_rows(result: Overall, look: Presentation) -> SummaryTable:
    about = (
        f"Mean rank and win rate over {result.questions} questions, with 95 % intervals over patients and trainings. "
        "The win rate is the share of duels with another row that a row wins."
    )
    if result.reason:
        about = f"No mean ranks and win rates: {result.reason}."
    if result.unanswered:
        about += f" Questions left out, answered by fewer than two rows: {'; '.join(result.unanswered)}."
    if result.left_out:
        about += f" Left out, for want of an answer to some question: {'; '.join(map(look.row, result.left_out))}."
    head = ["method", "mean rank", "win rate"]
    return SummaryTable(
        f"{look.task(result.task)}: all questions", about, head, [_line(row, look) for row in result.rows]
    )


def _line(row: RowOverall, look: Presentation) -> list[str]:
    name = look.row(row.row) + (" (baseline)" if row.is_baseline else "")
    rank, win = f"{row.rank:.1f}", f"{row.win_rate * 100:.0f} %"
    if row.rank_interval and row.win_interval:
        rank += " [{:.1f}, {:.1f}]".format(*row.rank_interval)
        win += " [{:.0f}, {:.0f}]".format(*(100 * bound for bound in row.win_interval))
    return [name, rank, win]


def _of_savings(result: Savings, look: Presentation) -> SummaryTable:
    places = list(dict.fromkeys((saving.dataset, saving.label_set) for saving in result.savings))
    rows = list(dict.fromkeys(saving.row for saving in result.savings))
    body = {(saving.row, saving.dataset, saving.label_set): saving.text for saving in result.savings}
    lines = [[look.row(row), *(body.get((row, *place), "–") for place in places)] for row in rows]
    about = (
        f"The share of labels at which a row's probe reaches {look.row(result.goal)}, which was trained end to end "
        "on all of them; 95 % intervals over patients and trainings where records keep resamples."
    )
    if not result.savings:
        about = f"No label savings against {look.row(result.goal)}: no other row has answered all label budgets."
    if result.left_out:
        about += f" Left out, for want of an answer at some budget: {'; '.join(map(look.row, result.left_out))}."
    head = ["method", *(look.label_set(*place) for place in places)]
    return SummaryTable(f"{look.task(result.task)}: label savings", about, head, lines)


def markdown(table: SummaryTable) -> str:
    """Return a section of the leaderboard's Markdown file."""
    section = f"## {markdown_text(table.title)}\n\n{markdown_text(table.about)}"
    if not table.lines:
        return section
    rows = [table.head, *table.lines]
    texts = [markdown_row([markdown_text(text) for text in row]) for row in rows]
    texts.insert(1, "|---" * len(table.head) + "|")
    return f"{section}\n\n" + "\n".join(texts)


def spreadsheet(board: Leaderboard) -> str:
    """Return CSV with one line per row and quantity: ``mean rank``, ``win rate``, ``label savings ptbxl/super``."""
    lines: list[list[object]] = []
    for result in overall(board):
        for row in result.rows:
            place = (row.row, result.task, result.questions)
            lines.append([*place, "mean rank", *_numbers(row.rank, row.rank_interval)])
            lines.append([*place, "win rate", *_numbers(row.win_rate, row.win_interval)])
    for savings in label_savings(board):
        lines += [[saving.row, savings.task, 1, *_saving_numbers(saving)] for saving in savings.savings]
    return csv_text(CSV_COLUMNS, lines)


def _saving_numbers(saving: Saving) -> list[object]:
    return [
        f"label savings {saving.dataset}/{saving.label_set}",
        *_numbers(saving.share, saving.interval),
    ]


def _numbers(value: float, bounds: tuple[float, float] | None) -> list[str]:
    """Return the value and its bounds; ``inf`` is a share of labels beyond all of them."""
    return ["inf" if number == NEVER else f"{number:.6f}" for number in (value, *(bounds or ()))] + (
        [] if bounds else ["", ""]
    )
