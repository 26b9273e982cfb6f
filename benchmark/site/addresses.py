"""Where the pages of a site lie, and the relative links between them, which hold without a server."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from benchmark.names import file_name

OVERVIEW = "index.html"
LONGEST = 80  # bytes of a name in a path


class Place(NamedTuple):
    """A page of the site, and a part of it by the id of an element; "" for the whole page."""

    page: str
    anchor: str = ""


def suite_page(name: str) -> str:
    return f"suites/{name}.html"


def method_page(name: str) -> str:
    return f"methods/{name}.html"


def dataset_page(name: str) -> str:
    return f"datasets/{name}.html"


def record_page(suite: str, file: str) -> str:
    return f"records/{suite}/{file}.html"


def entry_anchor(key: str) -> str:
    """Return the id of the entry whose first record has this key; the records of an entry have their keys as ids."""
    return f"of-{key}"


def weights_anchor(folder: str) -> str:
    return f"weights-{folder}"


def link(source: str, target: Place) -> str:
    """Return the address of a place as the page `source` writes it: relative, and without a scheme for any name."""
    anchor = f"#{quote(target.anchor)}" if target.anchor else ""
    if source == target.page and anchor:
        return anchor
    return f"./{quote(posixpath.relpath(target.page, posixpath.dirname(source) or '.'))}{anchor}"


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """Return a file name without its ending for each text; they differ where capitals do not count, too."""
    names: dict[str, str] = {}
    folded: set[str] = set()
    for text in texts:
        name = file_name(text, LONGEST)
        if name.casefold() in folded:
            name = f"{name}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
        folded.add(name.casefold())
        names[text] = name
    return names
