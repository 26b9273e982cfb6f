"""What counts as a report, and when two reports are the same."""

from __future__ import annotations

from benchmark.api import report_key as report_key  # it lies there because methods need the same rule

ABSENT = frozenset({"nan", "none", "<na>", "null", "n/a"})  # what programs write where there is no text
LONGEST = max(map(len, ABSENT))


def real_report(text: str) -> str:
    """Return the report, or "" for a text that only says that there is none (``nan``, ``None``, ``<NA>``)."""
    plain = text.strip()
    return "" if len(plain) <= LONGEST and report_key(plain) in ABSENT else text
