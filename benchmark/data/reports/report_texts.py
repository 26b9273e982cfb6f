"""Rules for real reports and for the equality of two reports."""

from __future__ import annotations

import unicodedata

from benchmark.api import report_key as report_key  # defined in the API because methods need the same rule

ABSENT = frozenset({"nan", "none", "<na>", "null", "n/a"})  # written by programs in place of missing text
LONGEST = max(map(len, ABSENT))


def real_report(text: str) -> str:
    """Return the report, or "" for a placeholder of a missing report (``nan``, ``None``, ``<NA>``)."""
    plain = text.strip()
    return "" if len(plain) <= LONGEST and report_key(plain) in ABSENT else text


def stored_report(text: str) -> str:
    """Return a report as stores keep it: on one line, "" for a placeholder, and each letter in its composed form.

    An "ü" of two code points would be another word to every metric, tokeniser and rule.
    """
    return unicodedata.normalize("NFC", " ".join(real_report(text).split()))
