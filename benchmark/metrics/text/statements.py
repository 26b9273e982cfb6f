"""Diagnostic statements of a report: a rule-based labeller for German and English, the same for all methods.

The patterns are in ``statements.toml``. A statement is present, uncertain ("possible", "nicht auszuschließen") or
negated; cues count within `REACH` words of it and within its clause. A method's own text encoder would not do: DERI's
clinical efficacy uses the encoder that was trained with the generator, so each method would judge its own output.
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
from benchmark.metrics.text.tokens import join_lines

Certainty = Literal["present", "uncertain", "negated"]
REACH = 4  # words between a cue and its statement
CLAUSE = re.compile(r"[.;!](?:\s|$)|,\s(?=aber|but\b)")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
STRENGTH: dict[Certainty, int] = {"negated": 0, "uncertain": 1, "present": 2}


@dataclass(frozen=True)
class Statement:
    """One finding, its patterns, and the labels of PTB-XL with the same meaning."""

    name: str
    title: str
    labels: tuple[str, ...]  # label set and class: rhythm/AFIB
    pattern: re.Pattern[str]
    coded: bool  # whether the labels follow the reports closely enough to be compared with texts


@dataclass(frozen=True)
class Rules:
    """All statements, the cues, and a digest of the file that defines them."""

    statements: tuple[Statement, ...]
    uncertain: tuple[re.Pattern[str], re.Pattern[str]]  # before the statement, after it
    negated: tuple[re.Pattern[str], re.Pattern[str]]
    digest: str


@functools.cache
def load_rules() -> Rules:
    """Read the rules of this version."""
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


def find_statements(report: str) -> dict[str, Certainty]:
    """Return the statements of a report, by name; of repeated ones the most certain counts."""
    certainties: dict[str, Certainty] = {}
    text = join_lines(report.lower()).translate(UMLAUTS)
    for clause in CLAUSE.split(text):
        for statement in load_rules().statements:
            for match in statement.pattern.finditer(clause):
                certainty = _judge(clause, match)
                if STRENGTH[certainty] >= STRENGTH.get(certainties.get(statement.name, "negated"), 0):
                    certainties[statement.name] = certainty
    return certainties


def _judge(clause: str, match: re.Match[str]) -> Certainty:
    before = " ".join(clause[: match.start()].split()[-REACH:])
    after = " ".join(clause[match.end() :].split(" ")[: REACH + 1])
    rules = load_rules()
    if rules.negated[0].search(before) or rules.negated[1].search(after):
        return "negated"
    if rules.uncertain[0].search(before) or rules.uncertain[1].search(after):
        return "uncertain"
    return "present"


def statement_matrix(reports: Sequence[str], uncertain: bool = True) -> np.ndarray:
    """Return ``(report, statement)`` bool: which are made, uncertain ones included unless `uncertain` is False."""
    certainties: Collection[str] = ("present", "uncertain") if uncertain else ("present",)
    names = {statement.name: column for column, statement in enumerate(load_rules().statements)}
    matrix = np.zeros((len(reports), len(names)), bool)
    for row, report in enumerate(reports):
        for name, certainty in find_statements(report).items():
            matrix[row, names[name]] = certainty in certainties
    return matrix


def label_matrix(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return ``(recording, statement)`` bool for labels ``(recording, class)`` of classes such as "rhythm/AFIB"."""
    columns = {name: column for column, name in enumerate(classes)}
    columns_by_statement = [
        [columns[name] for name in statement.labels if name in columns] for statement in load_rules().statements
    ]
    return np.stack([labels[:, group].any(1) for group in columns_by_statement], 1)


def comparable_statements(classes: Sequence[str]) -> np.ndarray:
    """Return ``(statement,)`` bool: whether all labels of a statement are in `classes` and follow the reports."""
    names = set(classes)
    return np.array([s.coded and names.issuperset(s.labels) for s in load_rules().statements])
