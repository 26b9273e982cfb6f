"""The overview: what is compared, under which protocol, the main table, and the ways to everything else."""

from __future__ import annotations

from typing import Any

import benchmark
from benchmark.api import PROTOCOL
from benchmark.registry import DATASETS, METHODS
from benchmark.site.addresses import OVERVIEW, Place, dataset_page, method_page, suite_page
from benchmark.site.contents import Contents, SuiteRecords, class_of
from benchmark.site.grid import grids
from benchmark.site.templates import DOCUMENTS, Templates

PROTOCOL_PAGE = "docs/protocol.html"


def overview(contents: Contents, templates: Templates) -> str:
    """Return the first page."""
    main = contents.main_suite
    pages = set(contents.documents.values())
    return templates.render(
        "overview.html",
        OVERVIEW,
        version=benchmark.__version__,
        protocol=PROTOCOL,
        protocol_place=Place(PROTOCOL_PAGE) if PROTOCOL_PAGE in pages else None,
        documents_place=Place(DOCUMENTS) if DOCUMENTS in pages else None,
        counts=_counts(contents),
        synthetic=all(suite.board.synthetic for suite in contents.suites),
        main=main,
        main_place=Place(suite_page(main.name)),
        main_warnings=main.board.warnings(),
        reading=main.board.notes()[:2],
        grid=next(grids(main, with_spread=False), None),
        suites=[_suite(suite) for suite in contents.suites],
        methods=[_method(contents, name) for name in contents.methods],
        datasets=[_dataset(contents, name) for name in contents.datasets],
    )


def _counts(contents: Contents) -> dict[str, int]:
    methods = {method for suite in contents.suites for method in suite.method_of.values()}
    return {
        "records": sum(len(suite.board.standings.finished_cells) for suite in contents.suites),
        "methods": len(methods),
        "rows": sum(len(suite.rows) for suite in contents.suites),
        "datasets": len({dataset for suite in contents.suites for dataset in suite.datasets}),
    }


def _suite(suite: SuiteRecords) -> dict[str, Any]:
    board = suite.board
    return {
        "name": suite.name,
        "title": suite.plan.suite.title,
        "version": suite.plan.suite.version,
        "place": Place(suite_page(suite.name)),
        "rows": len(suite.rows),
        "tasks": list(dict.fromkeys(board.look.task(table.task) for table in board.tables)),
        "datasets": [(name, Place(dataset_page(name))) for name in suite.datasets],
        "finished": len(board.standings.finished_cells),
        "cells": len(suite.plan.cells),
        "marks": [line.partition(":")[0] for line in board.warnings()],
    }


def _method(contents: Contents, name: str) -> dict[str, Any]:
    cls, _ = class_of(METHODS, name)
    return {
        "name": name,
        "title": cls.card.title if cls else "",
        "paper": cls.card.paper if cls else "not known: it is not installed here",
        "licence": cls.card.licence if cls else "",
        "place": Place(method_page(name)),
        "suites": sum(name in suite.method_of.values() for suite in contents.suites),
    }


def _dataset(contents: Contents, name: str) -> dict[str, Any]:
    cls, _ = class_of(DATASETS, name)
    return {
        "name": name,
        "title": cls.card.title if cls else "not known: it is not installed here",
        "licence": cls.card.licence if cls else "",
        "synthetic": bool(cls and cls.card.synthetic),
        "recordings": cls.card.recordings if cls else None,
        "place": Place(dataset_page(name)),
        "suites": sum(name in suite.datasets for suite in contents.suites),
    }
