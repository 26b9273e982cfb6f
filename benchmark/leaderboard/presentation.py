"""How tables look: decimals, names, order, baselines, wide tables. ``presentation.toml`` beside a suite holds it.

It changes what readers see and never a number: the CSV keeps all digits and the names of the suite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from benchmark.errors import brief, did_you_mean, raise_all
from benchmark.leaderboard import words
from benchmark.metrics.ranges import is_share
from benchmark.names import one_line
from benchmark.toml_values import read_toml, value_problems

FILE = "presentation.toml"
DECIMALS, PERCENT_DECIMALS, MOST_DECIMALS = 3, 1, 6
Text = Annotated[str, StringConstraints(max_length=2000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = dict[str, Name]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DisplayNames(_Block):
    """Names for readers, by the name in the suite; a label set is ``ptbxl/super``, a column as tables print it."""

    rows: Names = {}
    columns: Names = {}
    tasks: Names = {}
    label_sets: Names = {}
    metrics: Names = {}


class WideTable(_Block):
    """One LaTeX table over several label sets (see `wide_table`); an empty list takes all, in the suite's order."""

    tasks: list[str] = []
    label_sets: list[str] = []
    columns: list[str] = []
    interval: bool = False  # on a line of its own below the number
    spread: bool = True
    caption: Text = ""
    label: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._-]*$", max_length=100)] = ""
    note: Text = ""


class Presentation(_Block):
    """All choices; the defaults are those of tables without a file."""

    suites: list[str] = []  # empty: any
    metric: str = ""  # empty: the primary one of each task
    decimals: int | None = Field(default=None, ge=0, le=MOST_DECIMALS)
    percent: bool = False  # of metrics from 0 to 1; others stay as they are
    interval: bool = True
    spread: bool = True
    rows: list[str] = []  # in this order; the others follow
    columns: list[str] = []  # only these, in this order, where a table has one of them
    baselines: list[str] | None = None  # these rows stand below the rule, other baselines are left out
    own: list[str] = []  # rows that are shaded
    names: DisplayNames = DisplayNames()
    wide: list[WideTable] = []

    def number(self, value: float, metric: str) -> str:
        """Return a value of `metric` as text, ``0.883`` or ``88.3``."""
        percent = self.percent and is_share(metric)
        decimals = self.decimals if self.decimals is not None else PERCENT_DECIMALS if percent else DECIMALS
        return f"{100 * value if percent else value:.{decimals}f}"

    def difference(self, own_value: float, other: float, metric: str) -> list[str]:
        """Return another value, our own and their difference (own minus other, with its sign) as text."""
        difference = self.number(own_value - other, metric)
        signed = difference if difference.startswith("-") else f"+{difference}"
        return [self.number(other, metric), self.number(own_value, metric), signed]

    def row(self, row: str) -> str:
        return self.names.rows.get(row, row)

    def column(self, column: str) -> str:
        return self.names.columns.get(column, column)

    def task(self, task: str) -> str:
        return self.names.tasks.get(task) or words.task_words(task)

    def label_set(self, dataset: str, label_set: str) -> str:
        return self.names.label_sets.get(f"{dataset}/{label_set}") or words.label_set_words(dataset, label_set)

    def metric_name(self, metric: str) -> str:
        """Return a metric for readers, with its unit where numbers are percentages."""
        name = self.plain_metric(metric)
        return f"{name} (%)" if self.percent and is_share(metric) else name

    def plain_metric(self, metric: str) -> str:
        """Return a metric for readers, of numbers that are no percentages, as in figures."""
        return self.names.metrics.get(metric) or words.metric_words(metric)

    def shows(self, row: str, is_baseline: bool) -> bool:
        """Whether tables have this row; a baseline may be left out."""
        return self.baselines is None or not is_baseline or row in self.baselines

    def in_order(self, rows: Sequence[str]) -> list[str]:
        """Return the rows in the order of `rows`, then of `baselines`, then as they came."""
        places = {row: place for place, row in enumerate([*self.rows, *(self.baselines or ())])}
        return sorted(rows, key=lambda row: places.get(row, len(places)))

    def chosen_columns(self, columns: list[str]) -> list[str]:
        return [column for column in self.columns if column in columns] or columns


PLAIN = Presentation()


def read_presentation(path: Path | None, changes: Mapping[str, Any] | None = None) -> Presentation:
    """Read a file, None for none, and apply `changes` of its keys on top.

    Raises `UsageError` with every mistake in the form of the file or the changes.
    """
    raw = {**(read_toml(path) if path is not None else {}), **(changes or {})}
    where = f"{path or '--present'} is wrong:"
    raise_all(list(value_problems(raw)), where)
    try:
        presentation = Presentation.model_validate(raw)
    except ValidationError as error:
        raise_all([_explain(fault) for fault in error.errors()], where)
        raise
    raise_all(list(_display_problems(presentation)), where)
    return presentation


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        blocks: dict[str, type[_Block]] = {"names": DisplayNames, "wide": WideTable}
        block = blocks.get(str(fault["loc"][0]), Presentation) if len(fault["loc"]) > 1 else Presentation
        return f"{where} is no key{did_you_mean(str(fault['loc'][-1]), block.model_fields)}"
    return f"{where}: {fault['msg']}, it is {brief(fault['input'])}"


def _display_problems(presentation: Presentation) -> Iterator[str]:
    """Yield names that are not one line, and rows that could not be told apart."""
    for kind, names in presentation.names:
        for name, text in names.items():
            if one_line(text) != text or text != text.strip() or text.startswith("_"):
                yield f"names.{kind}.{name}: {brief(text)} is no name on one line, without blanks or _ before it"
    texts = list(presentation.names.rows.values())
    for text in sorted({text for text in texts if texts.count(text) > 1}):
        yield f"names.rows: two rows would be called {text!r}"
