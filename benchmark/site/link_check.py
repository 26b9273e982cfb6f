"""The check of a finished site: every internal link leads to a page of it and to an id on that page."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

_LINK = re.compile(r"""\s(?:href|src)=(?:"([^"]*)"|'([^']*)')""")
_ID = re.compile(r'\sid="([^"]*)"')
_SCRIPT = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
_ELSEWHERE = ("https:", "http:", "data:", "mailto:")


def dead_links(pages: Mapping[str, str]) -> list[str]:
    """Return a sentence for each link of the pages, by their path, that leads nowhere."""
    markup = {page: _SCRIPT.sub("", text) for page, text in pages.items()}
    ids = {page: {html.unescape(name) for name in _ID.findall(text)} for page, text in markup.items()}
    return [problem for page, text in markup.items() for problem in _problems(page, text, ids)]


def _problems(page: str, text: str, ids: Mapping[str, set[str]]) -> Iterator[str]:
    for address in dict.fromkeys(first or second for first, second in _LINK.findall(text)):
        target = html.unescape(address)
        if target.startswith(_ELSEWHERE):
            continue
        where, _, anchor = target.partition("#")
        goal = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(where))) if where else page
        if goal not in ids:
            yield f"{page}: {target} is no page of the site"
        elif anchor and unquote(anchor) not in ids[goal]:
            yield f"{page}: {goal} has no part #{unquote(anchor)}"
