"""Findings of a report as pieces of its text, and the report in the other language, by a book of phrases.

English reports are cut at full stops. German ones of PTB-XL have none, so their known phrases (``phrases.toml``) are
cut out, the longest first; what lies between them is a piece that nobody claims to understand.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

LANGUAGES = ("de", "en")
SENTENCE_END = re.compile(r"\.(?:\s+|$)")
REFERRING = re.compile(
    r"(?:this|these|that|the|it|suggest|compared|consistent|findings|appearances|non-specific but)\b|.*\bthese leads"
)
GAP = re.compile(r"[\s.,;]*")
WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Phrase:
    """A phrase in both languages; `background` marks rhythm, axis and remarks, which are no findings."""

    background: bool
    forms: dict[str, tuple[str, ...]]  # language -> forms, with {site} and {leads}


@dataclass(frozen=True)
class Piece:
    """A part of a report. `is_finding` is False for background, remarks, and what the book does not know in German."""

    text: str
    is_finding: bool
    phrase: Phrase | None = None
    site: str = ""
    leads: str = ""

    def in_language(self, language: str) -> str:
        """Return the piece in a language; the book must know its phrase."""
        assert self.phrase is not None
        site = self.site if language == "de" else _book()["english_sites"].get(self.site, self.site)
        return self.phrase.forms[language][0].replace("{site}", site).replace("{leads}", self.leads)


def cut(report: str, language: str) -> list[Piece]:
    """Cut a report in lower case into its pieces, in their order.

    A sentence that refers to the one before it ("this may be due to ...") is a piece of its own, and no finding.
    """
    if language == "de":
        return _cut_phrases(report)
    return [_sentence(text.strip()) for text in SENTENCE_END.split(report) if text.strip()]


def join(texts: Sequence[str], language: str) -> str:
    """Join pieces to a report as it is written in a language: German with blanks, English as sentences."""
    return " ".join(texts) if language == "de" else " ".join(f"{text}." for text in texts)


def is_remark(piece: Piece) -> bool:
    """Return whether a piece refers to the one before it, so that the two stay together."""
    return REFERRING.match(piece.text) is not None


def translate(report: str, language: str) -> str | None:
    """Return a report of `language` in the other one; None where the book does not know all of it."""
    pieces = cut(report, language)
    if not pieces or any(piece.phrase is None for piece in pieces):
        return None
    other = "en" if language == "de" else "de"
    return join([piece.in_language(other) for piece in pieces], other)


def _sentence(text: str) -> Piece:
    for phrase, pattern in _patterns("en"):
        if match := pattern.fullmatch(text):
            return _piece(text, phrase, match)
    return Piece(text, REFERRING.match(text) is None)


def _cut_phrases(report: str) -> list[Piece]:
    pieces: list[Piece] = []
    unknown, place = "", _skip(report, 0)
    while place < len(report):
        piece = _phrase_at(report, place)
        if piece is None:
            word = WORD.match(report, place)
            assert word is not None  # a gap was skipped
            unknown, place = f"{unknown} {word[0]}".strip(), word.end()
        else:
            pieces += [Piece(unknown, False)] if unknown else []
            pieces.append(piece)
            unknown, place = "", place + len(piece.text)
        place = _skip(report, place)
    return pieces + ([Piece(unknown, False)] if unknown else [])


def _phrase_at(report: str, place: int) -> Piece | None:
    """Return the longest phrase that begins here and ends with a word."""
    pieces = [
        _piece(match[0], phrase, match)
        for phrase, pattern in _patterns("de")
        if (match := pattern.match(report, place)) and not report[match.end() : match.end() + 1].isalnum()
    ]
    return max(pieces, key=lambda piece: len(piece.text), default=None)


def _skip(report: str, place: int) -> int:
    gap = GAP.match(report, place)
    assert gap is not None  # it may be empty
    return gap.end()


def _piece(text: str, phrase: Phrase, match: re.Match[str]) -> Piece:
    groups = match.groupdict()
    site = groups.get("site") or ""
    german = {english: site for site, english in _book()["english_sites"].items()}
    return Piece(text, not phrase.background, phrase, str(german.get(site, site)), str(groups.get("leads") or ""))


@functools.cache
def _book() -> dict[str, Any]:
    return tomllib.loads(files("benchmark.reporting.audit").joinpath("phrases.toml").read_text("utf-8"))


@functools.cache
def _patterns(language: str) -> tuple[tuple[Phrase, re.Pattern[str]], ...]:
    """Return each form of each phrase as a pattern with the groups ``site`` and ``leads``."""
    book = _book()
    sites = [*book["sites"], *book["english_sites"].values()]
    site = "(?P<site>" + "|".join(sorted(sites, key=len, reverse=True)) + ")"
    patterns = []
    for entry in book["phrases"]:
        forms = {name: tuple(entry[name]) for name in LANGUAGES}
        phrase = Phrase(entry.get("background", False), forms)
        for form in forms[language]:
            text = re.escape(form).replace(r"\{site\}", site).replace(r"\{leads\}", f"(?P<leads>{book['leads']})")
            patterns.append((phrase, re.compile(text)))
    return tuple(patterns)
