"""``site``: a static site from committed records, for a browser and without a server."""

from __future__ import annotations

import argparse
from pathlib import Path

import benchmark
from benchmark.commands.catalogue import add_command
from benchmark.commands.options import add_json, print_json
from benchmark.errors import COMPLETE

COMMITTED = Path(benchmark.__file__).resolve().parent.parent / "results" / "records"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "site")
    sub.add_argument(
        "--records",
        type=Path,
        default=COMMITTED,
        help="folder with the records of suites, or a Parquet file (default: results/records of the checkout)",
    )
    sub.add_argument("--out", type=Path, default=Path("build/site"), help="folder to write to (default: build/site)")
    add_json(sub)
    sub.set_defaults(function=site)


def site(options: argparse.Namespace) -> int:
    """Build the site and say where it begins."""
    from benchmark.site.build import build_site

    def say(page: str) -> None:
        if not options.json:
            print(f"made: {page}", flush=True)

    result = build_site(options.records, options.out, on_page=say)
    first = options.out / "index.html"
    if options.json:
        print_json({"index": str(first), "pages": result.pages, "bytes": result.size, "suites": result.suites})
        return COMPLETE
    if not result.has_documents:
        print("no documents: they come with the repository, not with the installed package")
    print(f"written: {first}: {result.pages} pages, {result.size / 1e6:.1f} MB; open it in a browser")
    return COMPLETE
