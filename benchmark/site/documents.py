"""The documents as pages: Markdown by markdown-it, with links between pages that work and pictures inside."""

from __future__ import annotations

import base64
import itertools
import mimetypes
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from benchmark.errors import DataError, raise_all
from benchmark.site.addresses import Place, link
from benchmark.site.templates import Templates

FOLDER = "docs"
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")  # beside the folder of documents
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
NAMES = {"results/README.md": "results"}  # pages that would otherwise have the name of another one


def document_pages(root: Path) -> dict[Path, str]:
    """Return the page of each document of a checkout, by its file; {} where there are none."""
    files = [root / name for name in TOP] + sorted((root / FOLDER).glob("*.md"))
    present = [path for path in files if path.is_file()] if (root / FOLDER / "index.md").is_file() else []
    names = {path: NAMES.get(path.relative_to(root).as_posix(), path.stem) for path in present}
    return {path: f"{FOLDER}/{name}.html" for path, name in names.items()}


def documents(root: Path, pages: Mapping[Path, str], suites: Mapping[str, str], templates: Templates) -> dict[str, str]:
    """Return the text of each page; `suites` has the page of each suite, to which links to its table lead.

    Raises `DataError` with every link that leads nowhere.
    """
    problems: list[str] = []
    texts = {}
    for path, page in pages.items():
        document = _Document(root, path, page, pages, suites)
        body, title = document.html()  # no HTML of the document passes, so that the body is safe
        texts[page] = templates.render("document.html", page, title=title, body=Markup(body))
        problems += document.problems
    raise_all(problems, "links of the documents lead nowhere:", DataError)
    return texts


class _Document:
    def __init__(self, root: Path, path: Path, page: str, pages: Mapping[Path, str], suites: Mapping[str, str]) -> None:
        self.root, self.path, self.page, self._pages, self._suites = root, path, page, pages, suites
        self.problems: list[str] = []

    def html(self) -> tuple[str, str]:
        """Return the page's content and its title. Raw HTML stays text; addresses that run scripts are no links."""
        reader = MarkdownIt("commonmark", {"html": False}).enable("table")
        tokens = reader.parse(self.path.read_text("utf-8"))
        title = _name_headings(tokens)
        for token in tokens:
            if token.children:
                self._rewrite_links(token.children)
        html: str = reader.renderer.render(tokens, reader.options, {})
        html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")
        return html, title or self.path.stem

    def _rewrite_links(self, tokens: Sequence[Token]) -> None:
        """Turn the links and pictures of a paragraph into those of the site."""
        open_tags: list[str] = []
        for token in tokens:
            if token.type == "link_open":
                self._link(token)
                open_tags.append(token.tag)
            elif token.type == "link_close":
                token.tag = open_tags.pop()
            elif token.type == "image":
                token.attrs["src"] = self._picture(str(token.attrs["src"]))
                token.attrs["loading"] = "lazy"

    def _link(self, token: Token) -> None:
        target = str(token.attrs["href"])
        if SCHEME.match(target) or target.startswith("//"):
            token.attrs["rel"] = "noreferrer"
            return
        where, _, anchor = target.partition("#")
        place = self._place(unquote(where), unquote(anchor))
        if place is not None:
            token.attrs["href"] = link(self.page, place)
        else:  # a file of the repository that has no page
            token.tag, token.attrs = "span", {"class": "path", "title": f"in the repository: {where}"}

    def _place(self, where: str, anchor: str) -> Place | None:
        """Return where a link leads; None for a file without a page."""
        file = Path(posixpath.normpath((self.path.parent / where).as_posix())) if where else self.path
        if file in self._pages:
            return Place(self._pages[file], anchor)
        if file.parent == self.root / "results" / "leaderboards" and file.stem in self._suites:
            return Place(self._suites[file.stem])
        if not file.exists():
            self.problems.append(f"{self.path.name}: {where} is not there")
        return None

    def _picture(self, source: str) -> str:
        """Return a picture as a data address; pictures from elsewhere would need a network."""
        file = self.path.parent / unquote(source)
        if SCHEME.match(source) or not file.is_file():
            self.problems.append(f"{self.path.name}: the picture {source} is not there")
            return ""
        kind = mimetypes.guess_type(file.name)[0] or "image/png"
        return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"


def _name_headings(tokens: Sequence[Token]) -> str:
    """Give headings the ids that forges give them; return the text of the first."""
    counts: dict[str, int] = {}
    title = ""
    for token, content in itertools.pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in content.children or ())
            title = title or text
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            repeats = counts.get(name, 0)
            counts[name] = repeats + 1
            token.attrs["id"] = f"{name}-{repeats}" if repeats else name
    return title
