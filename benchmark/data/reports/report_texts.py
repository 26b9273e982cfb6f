"""When two reports are the same text."""

from __future__ import annotations


def report_key(report: str) -> str:
    """Reports with the same key are the same text, case and blanks aside; ``""`` for a report without any."""
    return " ".join(report.casefold().split())
