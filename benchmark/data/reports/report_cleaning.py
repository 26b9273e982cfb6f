"""Removal of report text that does not describe the recording: headers, device marks, notes on the labelling.

The rules are part of the question of report generation, and each counts how often it fires. Leaving "unbestätigter
bericht" in every third reference of PTB-XL would reward a decoder for copying it. MIMIC-IV-ECG's stars are removed
when the dataset is prepared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

EVERY = "*"


@dataclass(frozen=True)
class Rule:
    """A replacement in the reports of one dataset, or of `EVERY` dataset."""

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
    """Apply the `RULES` of a dataset; return the cleaned reports, and for each rule the number of reports it changed.

    Reports without any other text become empty: they serve neither for training nor as references.
    """
    texts, changes = list(reports), {}
    for rule in RULES:
        if rule.dataset in (dataset, EVERY):
            replacements = [rule.pattern.sub(rule.by, text) for text in texts]
            changes[rule.name] = sum(old != new for old, new in zip(texts, replacements, strict=True))
            texts = replacements
    return texts, changes
