"""Building a site: all pages in memory, their links checked, then the folder made equal to them.

There is no date and no path of this machine in a page, so equal records give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import benchmark
from benchmark.atomic import write_bytes
from benchmark.errors import DataError, UsageError, raise_all
from benchmark.site.addresses import OVERVIEW, dataset_page, method_page, suite_page
from benchmark.site.contents import Contents, read_suites
from benchmark.site.dataset_pages import dataset_page_of
from benchmark.site.documents import document_pages, documents
from benchmark.site.link_check import dead_links
from benchmark.site.method_pages import method_page_of
from benchmark.site.overview import overview
from benchmark.site.record_pages import record_page
from benchmark.site.suite_pages import suite_page_of
from benchmark.site.templates import Templates

CHECKOUT = Path(benchmark.__file__).resolve().parent.parent  # its documents; an installed package has none
LIST = "site.json"  # names and digests of a site's files: what a later build may replace


@dataclass(frozen=True)
class Site:
    """A finished site: the number of its pages and bytes, and whether the documents are beside it."""

    pages: int
    size: int
    suites: list[str]
    has_documents: bool


def build_site(records: Path, out: Path, root: Path = CHECKOUT, on_page: Callable[[str], None] = print) -> Site:
    """Build the site of the suites under `records` in the folder `out`, with the documents of the checkout `root`.

    Raises `UsageError` for a folder that holds something else, `MissingError` without records and `DataError` for dead
    links.
    """
    _check_room(out)
    suites = read_suites(records)
    contents = Contents(suites, document_pages(root))
    templates = Templates(bool(contents.documents))
    pages: dict[str, str] = {}
    for page, text in _pages(contents, templates, root):
        pages[page] = text
        if page.startswith("suites/"):
            on_page(page)
    raise_all(dead_links(pages), "links of the site lead nowhere:", DataError)
    size = _write(out, {page: text.encode("utf-8", "replace") for page, text in pages.items()})
    return Site(len(pages), size, [suite.name for suite in suites], bool(contents.documents))


def _pages(contents: Contents, templates: Templates, root: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every page."""
    for suite in contents.suites:
        yield suite_page(suite.name), suite_page_of(suite, templates)
        for row in suite.files:
            yield suite.page_of(row), record_page(suite, row, templates)
    yield OVERVIEW, overview(contents, templates)
    for name in contents.methods:
        yield method_page(name), method_page_of(contents, name, templates)
    for name in contents.datasets:
        yield dataset_page(name), dataset_page_of(contents, name, templates)
    tables = {suite.name: suite_page(suite.name) for suite in contents.suites}
    yield from documents(root, contents.documents, tables, templates).items()


def _check_room(out: Path) -> None:
    """Refuse a folder with files that no build put there: a build removes what it did not write."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the site: --out")
    if out.is_dir() and any(out.iterdir()) and not (out / LIST).is_file():
        raise UsageError(f"{out} holds files that are no site ({LIST} is missing); name an empty folder: --out")


def _write(out: Path, files: Mapping[str, bytes]) -> int:
    """Write what has changed, remove pages of an earlier build that are gone; return the size of all."""
    earlier_names = _earlier(out)
    listing = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    text = json.dumps({"version": benchmark.__version__, "files": listing}, indent=1, ensure_ascii=False) + "\n"
    write_bytes(out / LIST, text.encode())  # first: a build that is cut off may be made again
    for name, content in files.items():
        path = out / name
        if not (path.is_file() and path.read_bytes() == content):
            write_bytes(path, content)
    for name in sorted(earlier_names - files.keys()):
        (out / name).unlink(missing_ok=True)
    return sum(map(len, files.values())) + len(text.encode())


def _earlier(out: Path) -> set[str]:
    """Return the files of an earlier build; names that lead out of the folder are none of its files."""
    try:
        names = json.loads((out / LIST).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    paths = [PurePosixPath(name) for name in names if isinstance(name, str)]
    return {str(path) for path in paths if not path.is_absolute() and ".." not in path.parts and path.suffix == ".html"}
