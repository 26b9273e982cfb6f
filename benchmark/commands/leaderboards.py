"""``leaderboard`` and ``compare``: tables and figures from records."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.commands.catalogue import add_command
from benchmark.commands.options import (
    RECORDS_HELP,
    add_home,
    add_json,
    add_set,
    add_suite,
    exit_code_of,
    home_of,
    print_json,
    records_of,
)
from benchmark.commands.presenting import add_presentation, presentation_of, published_of
from benchmark.errors import COMPLETE, INCOMPLETE, BenchmarkError, did_you_mean, raise_all
from benchmark.names import file_name

if TYPE_CHECKING:
    from benchmark.leaderboard.comparison import Line
    from benchmark.leaderboard.tables import Leaderboard

TEXTS, FIGURES = ("md", "csv", "tex", "html"), ("pdf", "png", "svg")
TABLES = ("main", "classes", "subgroups")


class NotStrictError(BenchmarkError):
    """Error raised when ``--strict`` finds faults that a table in a paper must not have (exit code 4)."""

    exit_code = INCOMPLETE


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "leaderboard")
    add_suite(sub)
    sub.add_argument(
        "--format",
        default="md,csv",
        help=f"any of {', '.join(TEXTS)} and, for the figures, {', '.join(FIGURES)} (default: md,csv)",
    )
    sub.add_argument("--out", type=Path, help="folder to write to (default: HOME/leaderboards)")
    sub.add_argument("--records", type=Path, help=RECORDS_HELP)
    sub.add_argument(
        "--strict", action="store_true", help="refuse what is missing, mixed, outdated, stale or changed by hand"
    )
    sub.add_argument(
        "--tables",
        default="main",
        help=f"any of {', '.join(TABLES)}: the last two in files of their own (default: main)",
    )
    add_presentation(sub)
    sub.set_defaults(function=leaderboard)
    sub = add_command(commands, "compare")
    sub.add_argument("a", help="a row of the suite")
    sub.add_argument("b", help="another row")
    sub.add_argument("--suite", required=True, help="name of a suite, or path of a .toml file")
    sub.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="only these tasks")
    sub.add_argument("--limit", type=int, metavar="N", help="records made with this --limit")
    sub.add_argument("--format", default="md", help=f"md and, for the figure, {', '.join(FIGURES)} (default: md)")
    sub.add_argument("--out", type=Path, help="folder to write to (default: print only)")
    sub.add_argument("--records", type=Path, help=RECORDS_HELP)
    add_set(sub, "change the suite, as in methods.merl.config.width=64")
    add_home(sub)
    add_json(sub)
    sub.set_defaults(function=compare, methods=[])


def leaderboard(options: argparse.Namespace) -> int:
    """Write and print the tables."""
    from benchmark.leaderboard.audit import audit
    from benchmark.leaderboard.tables import Leaderboard

    formats = _formats(options.format, (*TEXTS, *FIGURES))
    tables = _formats(options.tables, TABLES, "--tables")
    plan, store, now = records_of(options)
    if options.strict:
        problems = audit(plan, store, now)
        raise_all(problems, f"--strict: the leaderboard of {plan.suite.name} is refused:", NotStrictError)
    board = Leaderboard(plan, store, now, presentation_of(options, plan), published_of(options))
    write_leaderboard(board, options.out or home_of(options).leaderboards, formats, tables)
    return exit_code_of(board.standings, plan, options)


def compare(options: argparse.Namespace) -> int:
    """Print the comparison of two rows; also write it if a folder is given."""
    from benchmark.leaderboard import comparison
    from benchmark.leaderboard.tables import Leaderboard

    formats = _formats(options.format, ("md", *FIGURES))
    options.methods = [options.a, options.b]
    plan, store, now = records_of(options)
    board = Leaderboard(replace(plan, part=()), store, now)  # by its nature about two rows, so no part
    lines = comparison.compare(board, options.a, options.b)
    text = comparison.markdown(lines, options.a, options.b, remarks := comparison.remarks(board))
    if options.out is not None:
        _write_comparison(board, lines, text, options, formats)
    if options.json:
        print_json({"a": options.a, "b": options.b, "warnings": remarks} | comparison.to_json(lines))
    else:
        print(text)
    return COMPLETE


def _write_comparison(
    board: Leaderboard, lines: list[Line], text: str, options: argparse.Namespace, formats: tuple[str, ...]
) -> None:
    from benchmark.atomic import write_bytes, write_text

    name = f"{board.name}-{file_name(options.a, 50)}-against-{file_name(options.b, 50)}"
    write_text(options.out / f"{name}.md", text)
    for kind in formats:
        if kind in FIGURES:
            from benchmark.leaderboard.figures import difference, style

            figure = difference.draw(board, lines, options.a, options.b)
            write_bytes(options.out / f"{name}.{kind}", style.save(figure, kind))


def write_leaderboard(
    board: Leaderboard, out: Path, formats: tuple[str, ...], tables: tuple[str, ...] = ("main",)
) -> None:
    """Print the tables and write the requested formats into `out`; figures go into a folder of their own."""
    from benchmark.atomic import write_bytes, write_text
    from benchmark.leaderboard import published, terminal

    beside = published.beside(board.tables, published.load())
    figures, reasons = _figures(board) if {"html", *FIGURES} & set(formats) else ({}, {})
    lines = [f"no figure {name}: {reason}" for name, reason in reasons.items()]
    texts = _texts(board, beside, figures, out, formats) if "main" in tables else {}
    for name, text in (texts | _breakdowns(board, formats, tables)).items():
        write_text(out / name, text)
        lines.append(f"written: {out / name}")
    for kind in formats:
        if kind in FIGURES and figures:
            from benchmark.leaderboard.figures.style import save

            folder = out / f"{board.name}-figures"
            for name, figure in figures.items():
                write_bytes(folder / f"{file_name(name)}.{kind}", save(figure, kind))
            lines.append(f"written: {folder}: {len(figures)} figures as {kind}")
    terminal.show(board)  # last, so that a failing terminal loses no file
    print("\n".join(lines))


def _texts(board: Any, beside: Any, figures: dict[str, Any], out: Path, formats: tuple[str, ...]) -> dict[str, str]:
    """Return the content of each text format by file name."""
    from benchmark.leaderboard import markdown, spreadsheet, summaries

    texts = {}
    if "md" in formats:
        texts[f"{board.name}.md"] = markdown.markdown(board, beside)
    if "csv" in formats:
        texts[f"{board.name}.csv"] = spreadsheet.spreadsheet(board)
        if any(table.lines for table in summaries.summary_tables(board)):
            texts[f"{board.name}-summaries.csv"] = summaries.spreadsheet(board)
    if "tex" in formats:
        from benchmark.leaderboard import latex, wide_table

        texts[f"{board.name}.tex"] = latex.tables(board)
        texts[f"{board.name}-wide.tex"] = wide_table.wide_tables(board)
        texts[f"{board.name}-document.tex"] = latex.document([f"{board.name}-wide", board.name])
    if "html" in formats:
        from benchmark.leaderboard import page  # seconds: it draws figures

        texts[f"{board.name}.html"] = page.page(board, beside, figures, out)
    return texts


def _breakdowns(board: Leaderboard, formats: tuple[str, ...], tables: tuple[str, ...]) -> dict[str, str]:
    """Return the tables by class and by subgroup by file name; the page shows them behind each number."""
    from benchmark.leaderboard import breakdown_tables

    makers = {"md": breakdown_tables.markdown, "csv": breakdown_tables.spreadsheet, "tex": breakdown_tables.latex}
    return {
        f"{board.name}-{kind}.{ending}": make(board, kind)
        for kind in tables
        if kind != "main"
        for ending, make in makers.items()
        if ending in formats
    }


def _figures(board: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the figures by name, and the reasons why others cannot be drawn."""
    from benchmark.leaderboard.figures import draw_all

    return draw_all(board)


def _formats(text: str, choices: tuple[str, ...], option: str = "--format") -> tuple[str, ...]:
    formats = tuple(part.strip() for part in text.split(",") if part.strip())
    wrong = [
        f"{part!r} is no {'format' if option == '--format' else 'table'}{did_you_mean(part, choices)}"
        for part in formats
        if part not in choices
    ]
    raise_all(wrong, f"{option}:")
    return formats
