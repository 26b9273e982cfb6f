"""Published numbers beside ours: ``results/published/numbers.csv`` with its sources, matched by question.

A published number never enters a table's ranking: its protocol, data and model size are its paper's.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import benchmark
from benchmark.configuration import parse_value
from benchmark.errors import DataError, raise_all
from benchmark.leaderboard.summary import SIGNAL, Entry

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
        """Is it about the same method and question?"""
        if SIGNAL in entry.variant:  # few leads or perturbed signals: another question
            return False
        same = (self.method, self.task, self.dataset) == (entry.method, entry.task, entry.dataset)
        return same and self.label_set in ("", entry.label_set) and self._fits(entry)

    def _fits(self, entry: Entry) -> bool:
        if not self.where:
            return True
        name, _, value = self.where.partition("=")
        return name in entry.variant and entry.variant[name] == parse_value(value)


@dataclass(frozen=True)
class Comparison:
    """A published number and the mean over seeds of ours."""

    row: str
    question: str
    metric: str
    published: float
    here: float
    source: str
    evidence: str


def load(folder: Path = FOLDER) -> list[Published]:
    """Read the published numbers; none where the folder is absent (a package installed without the results)."""
    path = folder / "numbers.csv"
    if not path.is_file():
        return []
    sources = tomllib.loads((folder / "sources.toml").read_text("utf-8"))
    found, problems = [], []
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            if row["source"] not in sources:
                problems.append(f"line {line}: sources.toml has no {row['source']!r}")
            if row["evidence"] not in EVIDENCE:
                problems.append(f"line {line}: evidence is {row['evidence']!r}, not one of {', '.join(EVIDENCE)}")
            try:
                found.append(Published(**{**row, "value": float(row["value"])}))  # type: ignore[arg-type]
            except ValueError:
                problems.append(f"line {line}: value is {row['value']!r}, no number")
    raise_all(problems, f"{path} is wrong:", DataError)
    cited = {name: str(entry["cite"]) for name, entry in sources.items()}
    return [Published(**{**vars(one), "source": cited[one.source]}) for one in found]


def beside(entries: Iterable[Entry], published: Iterable[Published]) -> list[Comparison]:
    """Every published number that a complete entry reproduces, in the order of the entries."""
    numbers: dict[tuple[str, str, str], list[Published]] = {}
    for one in published:
        numbers.setdefault((one.method, one.task, one.dataset), []).append(one)
    found = []
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
            here = mean(values)
            found.append(Comparison(entry.row, question, one.metric, one.value, here, one.source, evidence))
    return found
