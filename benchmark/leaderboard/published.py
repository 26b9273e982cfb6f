"""Published numbers beside ours: ``results/published/numbers.csv`` with its sources, matched by question.

Published numbers never enter a ranking, since protocol, data and model size are those of their papers.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import mean

import benchmark
from benchmark.errors import DataError, brief, raise_all
from benchmark.leaderboard.summary import SIGNAL, Entry
from benchmark.toml_values import parse_value, read_toml

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

    def answers(self, entry: Entry) -> bool:
        """Whether it is about the same method and question."""
        if SIGNAL in entry.variant:  # few leads or perturbed signals: another question
            return False
        same = (self.method, self.task, self.dataset) == (entry.method, entry.task, entry.dataset)
        return same and self.label_set in ("", entry.label_set) and self._fits(entry)

    def _fits(self, entry: Entry) -> bool:
        if not self.where:
            return True
        name, _, value = self.where.partition("=")
        return name in entry.variant and entry.variant[name] == parse_value(value)


COLUMNS = [field.name for field in fields(Published)]


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
    if not path.is_file():
        return []
    citations, problems = _sources(folder / "sources.toml")
    numbers: list[Published] = []
    for line, row in _rows(path):
        wrong = _row_problems(row, citations) if list(row) == COLUMNS else [f"{len(row)} fields, not {len(COLUMNS)}"]
        problems += [f"line {line}: {problem}" for problem in wrong]
        if not wrong:
            number = {**row, "value": float(row["value"]), "source": citations[row["source"]]}
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


def _row_problems(row: Mapping[str, str], sources: Collection[str]) -> list[str]:
    problems = []
    if row["source"] not in sources:
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


def beside(entries: Iterable[Entry], published: Iterable[Published]) -> list[Comparison]:
    """Return every published number that a complete entry reproduces, in the order of the entries."""
    numbers: dict[tuple[str, str, str], list[Published]] = {}
    for one in published:
        numbers.setdefault((one.method, one.task, one.dataset), []).append(one)
    comparisons = []
    for entry in entries:
        for one in numbers.get((entry.method, entry.task, entry.dataset), ()):
            if not (entry.complete and one.answers(entry)):
                continue
            values = [result.metrics[one.metric] for result in entry.results if one.metric in result.metrics]
            if not values:
                continue
            variant = ", ".join(f"{name} {value}" for name, value in entry.variant.items())
            question = f"{entry.task}, {entry.dataset}/{entry.label_set}, {variant}"
            evidence = EVIDENCE[one.evidence]
            own_value = mean(values)
            comparisons.append(Comparison(entry.row, question, one.metric, one.value, own_value, one.source, evidence))
    return comparisons
