"""Faults in true reports: what a cardiologist would notice, what one would ignore, and what lies between.

A fault is made from a report in lower case and a seeded generator. It returns None where the report offers no place for
it: a report without a side cannot name the wrong one.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.resources import files
from typing import Literal

import numpy as np

from benchmark.reporting.audit.phrases import Piece, cut, is_remark, join, translate

Group = Literal["notice", "between", "ignore"]
GROUPS: dict[Group, str] = {
    "notice": "what a cardiologist would notice",
    "between": "a matter of degree",
    "ignore": "what a cardiologist would ignore",
}
SHORTEST = 4  # letters of a word that can be misspelt and still be read
LETTERS = re.compile(rf"[^\W\d_]{{{SHORTEST},}}")
CONTENT = re.compile(r"[^\W\d_]{5,}")  # words by which two findings are alike


@dataclass(frozen=True)
class Source:
    """A report in lower case, its language, and the findings of other reports in that language."""

    text: str
    language: str
    others: Sequence[str] = ()


Make = Callable[[Source, np.random.Generator], str | None]


@dataclass(frozen=True)
class Fault:
    """A kind of fault: its name, whether a metric should notice it (`group`), and the function that makes it."""

    name: str
    title: str
    group: Group
    make: Make


def replace_one(source: Source, rng: np.random.Generator, kind: str) -> str | None:
    """Apply one replacement of a kind (``faults.toml``), at a place drawn among all that it has."""
    places = [
        (match, replacement)
        for pattern, replacement in _replacements()[source.language][kind]
        for match in pattern.finditer(source.text)
    ]
    if not places:
        return None
    match, replacement = places[int(rng.integers(len(places)))]
    text = source.text[: match.start()] + match.expand(replacement) + source.text[match.end() :]
    return text.strip()


def leave_out(source: Source, rng: np.random.Generator) -> str | None:
    """Leave out one finding."""
    pieces = cut(source.text, source.language)
    findings = [place for place, piece in enumerate(pieces) if piece.is_finding]
    if not findings or len(pieces) == 1:
        return None
    gap = findings[int(rng.integers(len(findings)))]
    return _join([piece for place, piece in enumerate(pieces) if place != gap], source.language)


def leave_out_all(source: Source, rng: np.random.Generator) -> str | None:
    """Leave out all findings of a report that has several, and keep rhythm, axis and remarks.

    A German report with unknown words is refused, since they may be findings too.
    """
    pieces = cut(source.text, source.language)
    background = [piece for piece in pieces if not piece.is_finding]
    if source.language == "de" and any(piece.phrase is None for piece in pieces):
        return None
    return _join(background, source.language) if background and len(pieces) - len(background) > 1 else None


def add_finding(source: Source, rng: np.random.Generator) -> str | None:
    """Add a finding of another report that shares no word with this one, so that it adds something new."""
    words = set(CONTENT.findall(source.text))
    pieces = [piece.text for piece in cut(source.text, source.language)]
    for place in rng.permutation(len(source.others)):
        finding = source.others[int(place)]
        if finding not in source.text and words.isdisjoint(CONTENT.findall(finding)):
            pieces.insert(int(rng.integers(len(pieces) + 1)), finding)
            return join(pieces, source.language)
    return None


def reorder(source: Source, rng: np.random.Generator) -> str | None:
    """Put the findings into another order; a remark stays behind its finding."""
    units: list[list[str]] = []
    for piece in cut(source.text, source.language):
        if units and is_remark(piece):
            units[-1].append(piece.text)
        else:
            units.append([piece.text])
    orders = [rng.permutation(len(units)) for _ in range(8)]
    order = next((order for order in orders if (np.diff(order) < 0).any()), None)
    return None if order is None else join([text for place in order for text in units[int(place)]], source.language)


def misspell(source: Source, rng: np.random.Generator, words: int = 1) -> str | None:
    """Swap two neighbouring letters within each of so many words; None where there are fewer words of four letters."""
    places = [
        (match, inner)
        for match in LETTERS.finditer(source.text)
        if (inner := [i for i in range(match.start() + 1, match.end() - 2) if source.text[i] != source.text[i + 1]])
    ]
    if len(places) < words:
        return None
    letters = list(source.text)
    for place in rng.permutation(len(places))[:words]:
        inner = places[int(place)][1]
        i = inner[int(rng.integers(len(inner)))]
        letters[i], letters[i + 1] = letters[i + 1], letters[i]
    return "".join(letters)


def say_in_other_language(source: Source, rng: np.random.Generator) -> str | None:
    """Say the whole report in the other language, where the book of phrases knows all of it."""
    return translate(source.text, source.language)


def harmless_counterpart(source: Source, fault: str, rng: np.random.Generator) -> str | None:
    """Return the report with as many misspelt words as a fault changed; fewer where it has not as many."""
    for words in range(changed_words(source.text, fault), 0, -1):
        if (text := misspell(source, rng, words)) is not None:
            return text
    return None


def changed_words(before: str, after: str) -> int:
    """Return how many words were replaced, left out or added."""
    matcher = SequenceMatcher(None, before.split(), after.split(), autojunk=False)
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal")


def _replacing(kind: str) -> Make:
    return functools.partial(replace_one, kind=kind)


FAULTS = (
    Fault("side", "left for right", "notice", _replacing("side")),
    Fault("site", "anterior for inferior", "notice", _replacing("site")),
    Fault("negation", "a negation dropped", "notice", _replacing("negation")),
    Fault("left_out", "a finding left out", "notice", leave_out),
    Fault("left_out_all", "all findings left out", "notice", leave_out_all),
    Fault("added", "a finding added", "notice", add_finding),
    Fault("certainty", "a possibility stated as certain", "between", _replacing("certainty")),
    Fault("severity", "another degree or severity", "between", _replacing("severity")),
    Fault("order", "findings in another order", "ignore", reorder),
    Fault("spelling", "a typing error", "ignore", misspell),
    Fault("spelling_3", "three typing errors", "ignore", functools.partial(misspell, words=3)),
    Fault("language", "the same in the other language", "ignore", say_in_other_language),
)


def _join(pieces: Sequence[Piece], language: str) -> str:
    return join([piece.text for piece in pieces], language)


@functools.cache
def _replacements() -> dict[str, dict[str, list[tuple[re.Pattern[str], str]]]]:
    """Read the replacements of this version: language -> kind -> (pattern, replacement)."""
    table = tomllib.loads(files("benchmark.reporting.audit").joinpath("faults.toml").read_text("utf-8"))
    return {
        language: {kind: [(re.compile(pattern), by) for pattern, by in rules] for kind, rules in kinds.items()}
        for language, kinds in table.items()
    }
