"""Compact SVG for pages with many figures: a third of the bytes, since what matplotlib repeats is written once.

The picture looks the same: coordinates keep a hundredth of a point, and equal styles become classes. The files beside
the page stay as matplotlib writes them, with the names of their parts, for editing.
"""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import quote

PLAIN_LETTERS = ' ="()/:;,!*@$+<>?[]{}|^`~'  # stay as they are in an address that stands between single quotes

_PROLOGUE = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_PART = re.compile(r'^<g id="[^"]*"')  # nothing refers to a group
_STYLE = re.compile(r' style="([^"]*)"')
_NO_TURN = re.compile(r' transform="rotate\(-?0 [^)]*\)"')
_LINE = re.compile(r' d="[^"]*"')
_COMMAND = re.compile(r'\s*\b([MLQCz])\b\s*|\s+(?=")')  # of a path; and blanks at its end


def compact(svg: str) -> str:
    """Return a shorter SVG of the same picture."""
    svg = re.sub(r">\s+<", "><", _COMMENT.sub("", _PROLOGUE.sub("", svg)))
    return _classes(_TAG.sub(_shorter, svg))


def address(svg: str) -> str:
    """Return a data address for ``<img src='...'>``: an image runs no scripts, and its ids cannot clash."""
    return "data:image/svg+xml," + quote(svg, safe=PLAIN_LETTERS)


def _shorter(tag: re.Match[str]) -> str:
    """Shorten numbers inside tags only, since a method may be called 1.23456."""
    if "scale(" in tag[0]:  # a factor is no coordinate: its third decimal may be seen
        return tag[0]
    text = _NUMBER.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), tag[0])
    text = _NO_TURN.sub("", _PART.sub("<g", text))
    return _LINE.sub(lambda match: _COMMAND.sub(r"\1", match[0]), text)


def _classes(svg: str) -> str:
    """Replace styles that occur more than once by classes."""
    styles = Counter(_STYLE.findall(svg))
    names = {style: f"s{number}" for number, style in enumerate(name for name, n in styles.items() if n > 1)}
    svg = _STYLE.sub(lambda style: f' class="{names[style[1]]}"' if style[1] in names else style[0], svg)
    rules = "".join(f".{name}{{{style}}}" for style, name in names.items())
    return svg.replace("</style>", rules + "</style>", 1)
