"""Templates of the pages: one look, one head, one navigation; every text is escaped by jinja."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

from benchmark.site.addresses import OVERVIEW, Place, link

NAVIGATION = (("Suites", "suites"), ("Methods", "methods"), ("Datasets", "datasets"))  # and their ids on the overview
DOCUMENTS = "docs/index.html"


class Templates:
    """Renders pages; `has_documents` says whether the navigation leads to documents."""

    def __init__(self, has_documents: bool) -> None:
        self._has_documents = has_documents

    def render(self, template: str, page: str, **context: Any) -> str:
        """Return a page; in templates ``to(page, anchor)`` is a relative link and ``at(place)`` that of a `Place`."""

        def at(place: Place) -> str:
            return link(page, place)

        return (
            _environment()
            .get_template(template)
            .render(
                to=lambda target, anchor="": at(Place(target, anchor)),
                at=at,
                navigation=self.navigation(page),
                style=_style(),
                page=page,
                **context,
            )
        )

    def navigation(self, page: str) -> list[tuple[str, str]]:
        """Return the title and the address of each part of the site."""
        places = [("Overview", Place(OVERVIEW)), *((title, Place(OVERVIEW, name)) for title, name in NAVIGATION)]
        places += [("Documents", Place(DOCUMENTS))] if self._has_documents else []
        return [(title, link(page, place)) for title, place in places]


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.site", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["docstring"] = _docstring
    return environment


def _docstring(text: str) -> Markup:
    """Return the paragraphs of a docstring; only its code is marked up."""
    return Markup(MarkdownIt("zero").enable("backticks").render(text))


@functools.cache
def _style() -> Markup:
    return Markup((files("benchmark.site") / "templates" / "style.css").read_text("utf-8"))
