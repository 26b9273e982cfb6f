"""What stands in a report but says nothing of the recording: headers, marks of the device, notes on the labelling.

The rules are part of the question of report generation, and each counts how often it fires: who leaves "unbestätigter
bericht" in every third reference of PTB-XL measures how well a decoder copies it. MIMIC-IV-ECG's stars go when the
dataset is prepared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

EVERY = "*"


@dataclass(frozen=True)
class Rule:
    """What is replaced in the reports of one dataset, or of `EVERY` one."""

    name: str
    dataset: str
    pattern: re.Pattern[str]
    by: str = ""


def _rule(name: str, dataset: str, pattern: str, by: str = "") -> Rule:
    return Rule(name, dataset, re.compile(pattern, re.IGNORECASE), by)


RULES = (
    _rule("unconfirmed report", "ptbxl", r"\s*\bunbest(?:ä|ae)tigter bericht\b\.?"),  # an ECG cart prints it
    _rule("cart version", "ptbxl", r"\s*(?<!\S)4\.46(?!\S)"),  # of the cart's analysis program
    _rule("trace only", "ptbxl", r"\s*\btrace only requested\b\.?"),  # nobody has read this recording
    _rule("label note", "ptbxl", r"\s*\bedit:.*"),  # of a later reader, on the SCP codes
    _rule("outer blanks", EVERY, r"^\s+|\s+$"),
    _rule("inner blanks", EVERY, r"\s{2,}|[^\S ]", " "),
)


def clean_reports(reports: Sequence[str], dataset: str) -> tuple[list[str], dict[str, int]]:
    """The reports without what `RULES` name for their dataset; and by rule, the number of reports that it changed.

    A report that says nothing else comes out empty: it is no example to learn from, and no reference.
    """
    cleaned, changed = list(reports), {}
    for rule in RULES:
        if rule.dataset in (dataset, EVERY):
            found = [rule.pattern.sub(rule.by, text) for text in cleaned]
            changed[rule.name] = sum(old != new for old, new in zip(cleaned, found, strict=True))
            cleaned = found
    return cleaned, changed
