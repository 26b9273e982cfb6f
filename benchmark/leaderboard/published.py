"""Published numbers beside ours: ``results/published/numbers.csv`` with its sources, or a file of the user's own.

Published numbers never enter a ranking, since protocol, data and model size are those of their papers. A file of one's
own also gives rows in grey to the tables (`published_rows`), of methods that are not run here as well.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import benchmark
from benchmark.errors import DataError, brief, raise_all
from benchmark.leaderboard.summary import SIGNAL, Entry
from benchmark.toml_values import parse_value, read_toml

if TYPE_CHECKING:
    from benchmark.leaderboard.table import Table

FOLDER = Path(benchmark.__file__).resolve().parent.parent / "results" / "published"
EVIDENCE = {
    "primary": "its own paper",
    "reprinted": "reprinted by another paper",
    "secondary": "secondary source",
    "artefact": "log or notebook",
}


@dataclass(frozen=True)
class Published:
    """One published number. An empty `label_set` stands for the dataset's only one."""

    method: str
    task: str
    dataset: str
    label_set: str
    where: str  # ``fraction=0.1``: what the task's fields must be
    metric: str
    value: float
    source: str
    evidence: str
    source_name: str = ""  # as the file names it: the key of `source` in sources.toml

    def answers(self, entry: Entry) -> bool:
        """Whether it is about the same method and question."""
        return self.method == entry.method and self.is_about(entry)

    def is_about(self, entry: Entry) -> bool:
        """Whether it is about the same question."""
        if SIGNAL in entry.variant:  # few leads or perturbed signals: another question
            return False
        same = (self.task, self.dataset) == (entry.task, entry.dataset)
        return same and self.label_set in ("", entry.label_set) and self._fits(entry)

    def _fits(self, entry: Entry) -> bool:
        if not self.where:
            return True
        name, _, value = self.where.partition("=")
        return name in entry.variant and entry.variant[name] == parse_value(value)


COLUMNS = [field.name for field in fields(Published) if field.name != "source_name"]


@dataclass(frozen=True)
class Comparison:
    """A published number and the mean over seeds of ours."""

    row: str
    question: str
    metric: str
    published: float
    own_value: float
    source: str
    evidence: str


def load(folder: Path = FOLDER) -> list[Published]:
    """Read the published numbers; return none if the folder is absent (in a package installed without the results).

    Raises `DataError` with every mistake of both files.
    """
    path = folder / "numbers.csv"
    return load_file(path, *_sources(folder / "sources.toml")) if path.is_file() else []


def load_own(path: Path) -> list[Published]:
    """Read a file of the user's own, in the form of ``numbers.csv``.

    A source is a key of ``sources.toml`` beside it, where there is one, else the citation itself. Raises `DataError`
    with every mistake.
    """
    sources = path.parent / "sources.toml"
    return load_file(path, *(_sources(sources) if sources.is_file() else (None, [])))


def load_file(path: Path, citations: Mapping[str, str] | None, problems: Sequence[str] = ()) -> list[Published]:
    """Read one file; without `citations` each source is its own.

    Raises `DataError` with `problems` and every mistake of the file.
    """
    problems = list(problems)
    numbers: list[Published] = []
    for line, row in _rows(path):
        wrong = _row_problems(row, citations) if list(row) == COLUMNS else [f"{len(row)} fields, not {len(COLUMNS)}"]
        problems += [f"line {line}: {problem}" for problem in wrong]
        if not wrong:
            name = row["source"]
            citation = name if citations is None else citations[name]
            number = {**row, "value": float(row["value"]), "source": citation, "source_name": name}
            numbers.append(Published(**number))  # type: ignore[arg-type]
    raise_all(problems, f"{path} is wrong:", DataError)
    return numbers


def _sources(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the citations by name, and the faults of the file."""
    citations = {
        name: entry.get("cite") if isinstance(entry, dict) else None
        for name, entry in read_toml(path, DataError).items()
    }
    wrong = [name for name, cite in citations.items() if not isinstance(cite, str)]
    problems = [f"{path.name}: {brief(name)} is no table with a text 'cite'" for name in wrong]
    return {name: str(cite) for name, cite in citations.items()}, problems


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Return line number and fields of each published number.

    Raises `DataError` for a file that is no table with these columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.reader(file, strict=True)
            if (head := next(table, [])) != COLUMNS:
                raise DataError(f"{path}: the first line is {brief(','.join(head))}, not {','.join(COLUMNS)}")
            for cells in table:
                names = COLUMNS if len(cells) == len(COLUMNS) else map(str, range(len(cells)))
                yield table.line_num, dict(zip(names, cells, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no readable CSV file: {error}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _row_problems(row: Mapping[str, str], sources: Collection[str] | None) -> list[str]:
    problems = [f"{name} is empty" for name in ("method", "source") if not row[name].strip()]
    if sources is not None and row["source"] not in sources:
        problems.append(f"sources.toml has no {brief(row['source'])}")
    if row["evidence"] not in EVIDENCE:
        problems.append(f"evidence is {brief(row['evidence'])}, not one of {', '.join(EVIDENCE)}")
    try:
        if not math.isfinite(float(row["value"])):
            problems.append(f"value is {row['value']}, no finite number")
    except ValueError:
        problems.append(f"value is {brief(row['value'])}, no number")
    try:
        name, sign, value = row["where"].partition("=")
        if row["where"] and not (name and sign and parse_value(value) != ""):
            problems.append(f"where is {brief(row['where'])}, not of the form field=value")
    except ValueError as error:
        problems.append(f"where: {error}")
    return problems


def beside(tables: Iterable[Table], published: Iterable[Published]) -> list[Comparison]:
    """Return every published number that a complete entry reproduces, in the order of the tables."""
    numbers: dict[tuple[str, str, str], list[Published]] = {}
    for one in published:
        numbers.setdefault((one.method, one.task, one.dataset), []).append(one)
    comparisons = []
    for table in tables:
        for (row, column), entry in table.body.items():
            for one in numbers.get((entry.method, entry.task, entry.dataset), ()):
                if not (entry.complete and one.answers(entry)):
                    continue
                values = [result.metrics[one.metric] for result in entry.results if one.metric in result.metrics]
                if values:
                    question = f"{table.title}, {table.look.column(column)}"
                    pair = (one.value, mean(values))
                    origin = (one.source, EVIDENCE[one.evidence])
                    comparisons.append(Comparison(table.look.row(row), question, one.metric, *pair, *origin))
    return comparisons
