"""What the reports of a dataset hold before any method writes one: what hygiene takes out, how many of test occur in
train, and how far the rule-based statements follow the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.api import REPORTS
from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.data.reports.report_texts import report_key
from benchmark.data.store.prepared import PreparedDataset
from benchmark.metrics.text.clinical import with_labels
from benchmark.metrics.text.statements import rules

UNSEEN = ("val", "test")  # of PTB-XL: folds 9 and 10; the rules were written on train


def survey(data: PreparedDataset, splits: Sequence[str] = UNSEEN) -> dict[str, Any]:
    """As JSON: `hygiene` of all reports, `verbatim` of test, and `statements` against the labels of `splits`.

    `statements` is None for a dataset whose labels confirm none.
    """
    found = data.label_set(REPORTS)
    texts, changed = clean_reports(list(data.reports[found.rows]), data.manifest["dataset"])
    split = data.splits[found.rows]
    keys = np.array([report_key(text) for text in texts], dtype=object)
    known, asked = set(keys[(split == "train") & (keys != "")]), keys[(split == "test") & (keys != "")]
    rows = np.flatnonzero(np.isin(split, splits))
    agreement = with_labels([texts[int(row)] for row in rows], found.matrix[rows], found.classes)
    statements = None
    if agreement is not None:
        micro, macro = agreement.f1(np.ones((1, len(rows))))
        statements = {
            "splits": list(splits),
            "recordings": len(rows),
            "rules": rules().digest,
            "f1_micro": float(micro[0]),
            "f1_macro": float(macro[0]),
            "by_statement": agreement.by_statement(),
        }
    return {
        "reports": len(texts),
        "hygiene": {**changed, "left empty": int((keys == "").sum())},
        "verbatim": {"test": len(asked), "in_train": sum(key in known for key in asked), "different": len(set(keys))},
        "statements": statements,
    }


def as_text(found: dict[str, Any]) -> str:
    """The survey for a person, a line per rule and per statement."""
    test, same = found["verbatim"]["test"], found["verbatim"]["in_train"]
    lines = [f"{found['reports']} reports, {found['verbatim']['different']} different ones"]
    lines += [f"  {count:6d} {name}" for name, count in found["hygiene"].items()]
    if test:
        lines.append(f"{same} of {test} reports of test occur word for word in train ({same / test:.0%})")
    told = found["statements"]
    if told is None:
        return "\n".join([*lines, "no label set of this dataset confirms a statement of the rule-based labeller"])
    lines.append(
        f"statements found by rules, against the labels of {told['recordings']} recordings "
        f"({', '.join(told['splits'])}): "
        f"F1 {told['f1_micro']:.3f} micro, {told['f1_macro']:.3f} macro"
    )
    lines.append(f"  {'':34s}     n  precision  recall     F1")
    lines += [
        f"  {name:34s} {one['n']:5d}      {one['precision']:.3f}   {one['recall']:.3f}  {one['f1']:.3f}"
        for name, one in told["by_statement"].items()
    ]
    return "\n".join(lines)
