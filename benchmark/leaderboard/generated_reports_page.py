"""Recordings beside their true and written reports, as one HTML file without scripts that needs nothing else."""

from __future__ import annotations

import jinja2

from benchmark.leaderboard.generated_reports import Section
from benchmark.planning.plan import Plan

TEMPLATE = "generated_reports.html"


def written_page(plan: Plan, sections: list[Section], choice: str) -> str:
    """Return the whole page; `choice` describes how the recordings were chosen. Every text is escaped by jinja."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.leaderboard", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(TEMPLATE).render(suite=plan.suite, sections=sections, chosen=choice)
