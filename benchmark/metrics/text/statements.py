"""Which diagnostic statements a report makes: a rule-based labeller for German and English, fixed and the same for all.

Patterns lie in ``statements.toml``. A statement is present, uncertain ("possible", "nicht auszuschließen") or negated;
cues count within `REACH` words of it and within its clause. Why not a method's own text encoder: DERI's clinical
efficacy asks the encoder that was trained with the generator, so that each method would mark its own work.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from benchmark.canonical import digest
from benchmark.metrics.text.tokens import one_line

Certainty = Literal["present", "uncertain", "negated"]
REACH = 4  # words between a cue and its statement
CLAUSE = re.compile(r"[.;!](?:\s|$)|,\s(?=aber|but\b)")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
STRENGTH: dict[Certainty, int] = {"negated": 0, "uncertain": 1, "present": 2}


@dataclass(frozen=True)
class Statement:
    """One finding, its patterns, and the labels of PTB-XL that say the same."""

    name: str
    title: str
    labels: tuple[str, ...]  # label set and class: rhythm/AFIB
    pattern: re.Pattern[str]
    coded: bool  # whether the labels follow the reports closely enough to be compared with texts


@dataclass(frozen=True)
class Rules:
    """All statements, the cues, and a digest of the file that they come from."""

    statements: tuple[Statement, ...]
    uncertain: tuple[re.Pattern[str], re.Pattern[str]]  # before the statement, after it
    negated: tuple[re.Pattern[str], re.Pattern[str]]
    digest: str


@functools.cache
def rules() -> Rules:
    """The rules of this version."""
    table: dict[str, Any] = tomllib.loads(
        files("benchmark.metrics.text").joinpath("statements.toml").read_text("utf-8")
    )
    statements = tuple(
        Statement(
            entry["name"],
            entry["title"],
            tuple(entry["labels"]),
            re.compile("|".join(entry["patterns"])),
            entry.get("coded", True),
        )
        for entry in table["statements"]
    )
    cues = {
        name: tuple(re.compile(table[name][side]) for side in ("before", "after")) for name in ("uncertain", "negated")
    }
    return Rules(statements, cues["uncertain"], cues["negated"], digest(table))  # type: ignore[arg-type]


def find(report: str) -> dict[str, Certainty]:
    """The statements of a report, by name; said more than once, the most certain counts."""
    found: dict[str, Certainty] = {}
    text = one_line(report.lower()).translate(UMLAUTS)
    for clause in CLAUSE.split(text):
        for statement in rules().statements:
            for match in statement.pattern.finditer(clause):
                certainty = _certainty(clause, match)
                if STRENGTH[certainty] >= STRENGTH.get(found.get(statement.name, "negated"), 0):
                    found[statement.name] = certainty
    return found


def _certainty(clause: str, match: re.Match[str]) -> Certainty:
    before = " ".join(clause[: match.start()].split()[-REACH:])
    after = " ".join(clause[match.end() :].split(" ")[: REACH + 1])
    known = rules()
    if known.negated[0].search(before) or known.negated[1].search(after):
        return "negated"
    if known.uncertain[0].search(before) or known.uncertain[1].search(after):
        return "uncertain"
    return "present"


def statement_matrix(reports: Sequence[str], uncertain: bool = True) -> np.ndarray:
    """``(report, statement)``, bool: which are said, possibilities among them unless `uncertain` is False."""
    counted: Collection[str] = ("present", "uncertain") if uncertain else ("present",)
    names = {statement.name: column for column, statement in enumerate(rules().statements)}
    matrix = np.zeros((len(reports), len(names)), bool)
    for row, report in enumerate(reports):
        for name, certainty in find(report).items():
            matrix[row, names[name]] = certainty in counted
    return matrix


def label_matrix(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """``(recording, statement)``, bool, from labels ``(recording, class)`` of classes such as "rhythm/AFIB"."""
    columns = {name: column for column, name in enumerate(classes)}
    own = [[columns[name] for name in statement.labels if name in columns] for statement in rules().statements]
    return np.stack([labels[:, found].any(1) for found in own], 1)


def comparable(classes: Sequence[str]) -> np.ndarray:
    """``(statement,)``, bool: those whose labels are all among `classes` and follow the reports."""
    known = set(classes)
    return np.array([s.coded and known.issuperset(s.labels) for s in rules().statements])
