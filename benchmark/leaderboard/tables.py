"""Leaderboard tables as Markdown, CSV and terminal text. Pure: the same store gives the same bytes."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.engine.plan import Plan
from benchmark.engine.records import PROTOCOL
from benchmark.engine.store import Store
from benchmark.leaderboard.summary import Entry, column_title, summarise, varying

FORMATS = ("md", "csv")
CSV_COLUMNS = (
    *("method", "task", "dataset", "label_set", "variant", "metric", "mean", "sd_over_seeds", "ci95_low", "ci95_high"),
    *("seeds", "missing", "failed", "n_train", "n_test", "synthetic", "partial", "protocol", "data_digest", "note"),
)


@dataclass
class Table:
    """One question on one label set: `body` maps (row, column) to its entry."""

    title: str
    rows: list[str]
    columns: list[str]
    body: dict[tuple[str, str], Entry]

    def text(self, row: str, column: str, interval: bool = True) -> str:
        entry = self.body.get((row, column))
        return entry_text(entry, interval) if entry else "–"

    def width(self) -> int:
        """Characters that the table takes on a terminal with its intervals."""
        widest = (max(len(self.text(row, column)) for row in self.rows) for column in self.columns)
        return sum(widest) + 3 * len(self.columns) + max(map(len, [*self.rows, "method"])) + 4

    def is_best(self, row: str, column: str) -> bool:
        """Best of the complete entries of its column; a single entry is not marked."""
        rivals = [entry for (_, name), entry in self.body.items() if name == column and entry.complete]
        entry = self.body.get((row, column))
        if entry is None or not entry.complete or len(rivals) < 2:
            return False
        sign = 1 if entry.records[0].higher_is_better else -1
        return sign * entry.mean == max(sign * rival.mean for rival in rivals)


class Leaderboard:
    """All tables of a plan."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan = plan
        self.entries = summarise(plan, store)
        self.tables = list(_tables(self.entries))

    @property
    def synthetic(self) -> bool:
        return any(record.synthetic for entry in self.entries for record in entry.records)

    @property
    def partial(self) -> bool:
        return any(cell.spec.limit is not None for cell in self.plan.cells)

    @property
    def absent(self) -> int:
        """Cells without a finished record."""
        return sum(entry.missing + entry.failed for entry in self.entries)

    def warnings(self) -> list[str]:
        lines = []
        if self.synthetic:
            lines.append("SYNTHETIC DATA: generated signals and reports; the numbers say nothing about medicine.")
        if self.partial:
            lines.append("PARTIAL: made with --limit on a part of the recordings; these are no final results.")
        if self.absent:
            lines.append(
                f"INCOMPLETE: {self.absent} cells are missing or failed; `ecgbench run {self.plan.suite.name}`."
            )
        return lines

    def notes(self) -> list[str]:
        """How to read the tables, then everything that is particular to one row."""
        lines = [
            f"Protocol {PROTOCOL}. Macro AUROC on the test split: mean ± standard deviation over label-subset seeds "
            "(one subset at 100 %); in brackets the 95 % bootstrap interval over patients (mean of its bounds).",
        ]
        ends = [entry.row for entry in self.entries for record in entry.records if "trained" in record.details]
        lines += [f"{row}: trained end to end on the labelled subset, not probed." for row in sorted(set(ends))]
        lines += [f"{skip.row} × {skip.task}: skipped, {skip.reason}." for skip in self.plan.skipped]
        notes = {
            f"{e.dataset}/{e.label_set}: {note}." for e in self.entries for record in e.records for note in record.notes
        }
        return lines + sorted(notes)

    def markdown(self) -> str:
        suite = self.plan.suite
        parts = [f"# {suite.title}", f"Suite `{suite.name}` v{suite.version}. {suite.about}".strip()]
        parts += [f"> **{line}**" for line in self.warnings()]
        for table in self.tables:
            head = ["method", *table.columns]
            lines = [f"## {table.title}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
            for row in table.rows:
                texts = [table.text(row, column) for column in table.columns]
                marked = [
                    f"**{text}**" if table.is_best(row, column) else text
                    for text, column in zip(texts, table.columns, strict=True)
                ]
                lines.append("| " + " | ".join([row.replace("|", "\\|"), *marked]) + " |")
            parts.append("\n".join(lines))
        parts.append("## Notes\n\n" + "\n".join(f"- {line}" for line in self.notes()))
        return "\n\n".join(parts) + "\n"

    def csv(self) -> str:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, CSV_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_csv_row(entry) for entry in self.entries)
        return buffer.getvalue()

    def show(self) -> None:
        """Print the tables to the terminal."""
        from rich.console import Console
        from rich.table import Table as RichTable

        console = Console(highlight=False)
        for table in self.tables:
            shown = RichTable(title=table.title, title_justify="left")
            roomy = table.width() <= console.width
            for column in ("method", *table.columns):
                shown.add_column(column, justify="left" if column == "method" else "right", no_wrap=roomy)
            for row in table.rows:
                cells = (_highlight(table.text(row, c, roomy), table.is_best(row, c)) for c in table.columns)
                shown.add_row(_highlight(row, False), *cells)
            console.print(shown)
        for line in self.warnings():
            console.print(line, style="bold", markup=False, soft_wrap=True)
        for line in self.notes():
            console.print(line, style="dim", markup=False, soft_wrap=True)


def entry_text(entry: Entry, interval: bool = True) -> str:
    """``0.883 ±0.004 [0.870, 0.895]``, or what keeps it from being a number."""
    if not entry.values:
        return "failed" if entry.failed else "missing"
    text = f"{entry.mean:.3f}"
    if entry.spread is not None:
        text += f" ±{entry.spread:.3f}"
    if interval and entry.interval is not None:
        text += " [{:.3f}, {:.3f}]".format(*entry.interval)
    absent = entry.missing + entry.failed
    return f"{text} ({absent} of {absent + len(entry.values)} seeds absent)" if absent else text


def _tables(entries: list[Entry]) -> Iterator[Table]:
    by_task = itertools.groupby(sorted(entries, key=lambda e: _order(entries, e)), key=lambda e: (e.task, e.dataset))
    for (task, dataset), of_task in by_task:
        found = list(of_task)
        names = varying(found)
        for label_set, group in itertools.groupby(found, key=lambda e: e.label_set):
            body = {(entry.row, column_title(entry, names)): entry for entry in group}
            rows = list(dict.fromkeys(row for row, _ in body))
            columns = list(dict.fromkeys(column for _, column in body))
            yield Table(f"{task}: {dataset} / {label_set}", rows, columns, body)


def _order(entries: list[Entry], entry: Entry) -> tuple[int, int, int]:
    """Tasks, datasets and label sets in the order in which the suite names them."""
    orders = [list(dict.fromkeys(getattr(e, name) for e in entries)) for name in ("task", "dataset", "label_set")]
    return tuple(  # type: ignore[return-value]
        order.index(getattr(entry, name)) for order, name in zip(orders, ("task", "dataset", "label_set"), strict=True)
    )


def _highlight(text: str, best: bool) -> str:
    from rich.markup import escape

    return f"[bold green]{escape(text)}[/]" if best else escape(text)


def _csv_row(entry: Entry) -> dict[str, object]:
    first = entry.records[0] if entry.records else None
    numbers = {"mean": entry.mean if entry.values else None, "sd_over_seeds": entry.spread if entry.values else None}
    low, high = (entry.interval if entry.values else None) or (None, None)
    numbers |= {"ci95_low": low, "ci95_high": high}
    return {
        "method": entry.row,
        "task": entry.task,
        "dataset": entry.dataset,
        "label_set": entry.label_set,
        "variant": ";".join(f"{name}={value}" for name, value in entry.variant.items()),
        "metric": first.primary if first else "",
        **{name: "" if value is None else f"{value:.6f}" for name, value in numbers.items()},
        "seeds": len(entry.values),
        "missing": entry.missing,
        "failed": entry.failed,
        "n_train": first.n.get("train", "") if first else "",
        "n_test": first.n.get("test", "") if first else "",
        "synthetic": first.synthetic if first else "",
        "partial": first.partial if first else "",
        "protocol": first.spec["protocol"] if first else "",
        "data_digest": first.data_digest if first else "",
        "note": "; ".join(first.notes) if first else "",
    }
