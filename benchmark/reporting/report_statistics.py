"""Statistics of a dataset's reports: what cleaning removes, repeats of train in test, and diagnostic statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.api import REPORTS
from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.data.reports.report_texts import report_key
from benchmark.data.store.prepared import PreparedDataset
from benchmark.metrics.text.clinical import compare_with_labels
from benchmark.metrics.text.statements import load_rules

UNSEEN = ("val", "test")  # of PTB-XL: folds 9 and 10; the rules were written on train


def report_statistics(data: PreparedDataset, splits: Sequence[str] = UNSEEN) -> dict[str, Any]:
    """Return `hygiene` of all reports, `verbatim` of test, and `statements` against the labels of `splits`, as JSON.

    `statements` is None for a dataset whose labels confirm no statement.
    """
    label_set = data.label_set(REPORTS)
    texts, removals = clean_reports(list(data.reports[label_set.rows]), data.manifest["dataset"])
    split = data.splits[label_set.rows]
    keys = np.array([report_key(text) for text in texts], dtype=object)
    train_keys, test_keys = set(keys[(split == "train") & (keys != "")]), keys[(split == "test") & (keys != "")]
    rows = np.flatnonzero(np.isin(split, splits))
    agreement = compare_with_labels([texts[int(row)] for row in rows], label_set.matrix[rows], label_set.classes)
    statements = None
    if agreement is not None:
        micro, macro = agreement.f1(np.ones((1, len(rows))))
        statements = {
            "splits": list(splits),
            "recordings": len(rows),
            "rules": load_rules().digest,
            "f1_micro": float(micro[0]),
            "f1_macro": float(macro[0]),
            "by_statement": agreement.by_statement(),
        }
    return {
        "reports": len(texts),
        "hygiene": {**removals, "left empty": int((keys == "").sum())},
        "verbatim": {
            "test": len(test_keys),
            "in_train": sum(key in train_keys for key in test_keys),
            "different": len(set(keys)),
        },
        "statements": statements,
    }


def format_statistics(statistics: dict[str, Any]) -> str:
    """Format the statistics for reading, with a line per rule and per statement."""
    test, same = statistics["verbatim"]["test"], statistics["verbatim"]["in_train"]
    lines = [f"{statistics['reports']} reports, {statistics['verbatim']['different']} different ones"]
    lines += [f"  {count:6d} {name}" for name, count in statistics["hygiene"].items()]
    if test:
        lines.append(f"{same} of {test} reports of test occur word for word in train ({same / test:.0%})")
    statements = statistics["statements"]
    if statements is None:
        return "\n".join([*lines, "no label set of this dataset confirms a statement of the rule-based labeller"])
    lines.append(
        f"statements found by rules, against the labels of {statements['recordings']} recordings "
        f"({', '.join(statements['splits'])}): "
        f"F1 {statements['f1_micro']:.3f} micro, {statements['f1_macro']:.3f} macro"
    )
    lines.append(f"  {'':34s}     n  precision  recall     F1")
    lines += [
        f"  {name:34s} {row['n']:5d}      {row['precision']:.3f}   {row['recall']:.3f}  {row['f1']:.3f}"
        for name, row in statements["by_statement"].items()
    ]
    return "\n".join(lines)
