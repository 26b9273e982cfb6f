"""Pages of suites: the interactive leaderboard as ``ecgarena leaderboard --format html`` writes it, with its links."""

from __future__ import annotations

from pathlib import Path

from benchmark.leaderboard.figures import draw_all
from benchmark.leaderboard.page import Around, page
from benchmark.leaderboard.summary import Entry
from benchmark.site.addresses import Place, link, method_page, suite_page
from benchmark.site.contents import SuiteRecords
from benchmark.site.templates import Templates


def suite_page_of(suite: SuiteRecords, templates: Templates) -> str:
    """Return the leaderboard of a suite, in which rows lead to methods and numbers to records."""
    own = suite_page(suite.name)
    rows = {row: link(own, Place(method_page(method))) for row, method in suite.method_of.items()}

    def record_page(entry: Entry) -> str:
        return link(own, Place(suite.page_of(entry.row)))

    around = Around(templates.navigation(own), rows, record_page)
    figures, _ = draw_all(suite.board)
    return page(suite.board, suite.comparisons, figures, Path(), around)
