"""A record as one flat row for data frames and Parquet: what was asked, every metric, its interval, and what made it.

The columns are a copy for readers of other programs. Tables and checks read the record itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmark.data.signals.conditions import AS_RECORDED, SignalCondition
from benchmark.records.record import RunRecord

TEXT, NUMBER, WHOLE, FLAG = "text", "number", "whole", "flag"  # kinds of columns
KINDS = {
    **dict.fromkeys(("key", "row", "method", "task", "dataset", "label_set", "signal", "source"), TEXT),
    "fraction": NUMBER,
    "seed": WHOLE,
    **dict.fromkeys(("status", "error", "primary"), TEXT),
    "higher_is_better": FLAG,
    **dict.fromkeys(("value", "low", "high"), NUMBER),
    **dict.fromkeys(("n_train", "n_val", "n_test"), WHOLE),
    **dict.fromkeys(("question", "method_config", "pretraining", "weights", "choice"), TEXT),
    **dict.fromkeys(("protocol", "data_digest", "leak"), TEXT),
    **dict.fromkeys(("synthetic", "partial"), FLAG),
    "seconds": NUMBER,
    **dict.fromkeys(("code_method", "code_task", "version", "git"), TEXT),
    "dirty": FLAG,
    **dict.fromkeys(("python", "packages", "hardware"), TEXT),
}


def tidy(record: RunRecord, row: str | None = None) -> dict[str, Any]:
    """Return a record as a flat row: the columns of `KINDS`, and a column per metric with ``_low`` and ``_high``.

    What has a structure (options, the choice of the search, package versions) is JSON in a column. `row` is the name
    of the leaderboard's row, which the plan knows and the record does not.
    """
    question = tidy_question(record.key, record.spec, record.question, row)
    return {**question, **_answer(record), **_origin(record), **_metrics(record)}


def kind_of(column: str) -> str:
    """Return the kind of a column: one of `KINDS`, else a metric, which is a number."""
    return KINDS.get(column, NUMBER)


def tidy_question(
    key: str, spec: Mapping[str, Any], question: Mapping[str, Any], row: str | None = None
) -> dict[str, Any]:
    """Return the first columns of a row: what was asked of whom. A cell without a record has them too."""
    signal = spec.get("signal")
    return {
        "key": key,
        "row": row,
        **{name: spec[name] for name in ("method", "task", "dataset", "label_set")},
        "signal": AS_RECORDED if signal is None else SignalCondition.from_json(signal).title,
        "source": _json(spec.get("source")),
        "fraction": _number(question.get("fraction")),
        "seed": question.get("seed") if type(question.get("seed")) is int else None,
    }


def _answer(record: RunRecord) -> dict[str, Any]:
    low, high = record.intervals.get(record.primary, (None, None))
    error = record.error or {}
    return {
        "status": record.status,
        "error": f"{error.get('kind', '')}: {error.get('message', '')}".partition("\n")[0] if error else None,
        "primary": record.primary,
        "higher_is_better": record.higher_is_better,
        "value": _number(record.metrics.get(record.primary)),
        "low": _number(low),
        "high": _number(high),
        **{f"n_{split}": record.n.get(split) for split in ("train", "val", "test")},
    }


def _origin(record: RunRecord) -> dict[str, Any]:
    spec, code = record.spec, record.provenance.get("code", {})
    machine = record.provenance.get("environment", {})
    return {
        "question": _json(record.question),
        "method_config": _json(spec["method_config"]),
        "pretraining": _json(spec.get("pretraining")),
        "weights": spec.get("weights"),
        "choice": _json(record.details.get("choice")),
        "protocol": spec["protocol"],
        "data_digest": record.data_digest,
        "leak": record.leak and record.leak["state"],
        "synthetic": record.synthetic,
        "partial": record.partial,
        "seconds": _number(record.seconds),
        "code_method": record.code.get("method"),
        "code_task": record.code.get("task"),
        "version": code.get("version"),
        "git": code.get("git"),
        "dirty": code.get("dirty"),
        "python": machine.get("python"),
        "packages": _json(machine.get("packages")),
        "hardware": machine.get("gpu") or machine.get("cpu"),
    }


def _metrics(record: RunRecord) -> dict[str, float | None]:
    """Return every metric under its name, followed by the bounds of its interval where it has one."""
    columns: dict[str, float | None] = {}
    for name, value in sorted(record.metrics.items()):
        low, high = record.intervals.get(name, (None, None))
        bounds = {} if low is None else {f"{name}_low": _number(low), f"{name}_high": _number(high)}
        columns |= {name: _number(value), **bounds}
    return columns


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)
