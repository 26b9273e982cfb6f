"""The common ground of the scripts in this folder: rows of one table, checks of what was measured, and the machine.

A figure is shown by `show`, which also hands it to `collect.py`. What a rate or a ratio divides by is checked first:
a script that did less than it says ends with an error, and prints no figure.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.records import provenance

ROWS_FILE = "ECGARENA_SPEED_ROWS"  # environment: a file to which every row is appended, one JSON object a line
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # of a processor, as far as these figures depend on them


@dataclass(frozen=True)
class Row:
    """A line of the table: the work, its cost here, what one would write otherwise at its cost, and their ratio."""

    work: str
    cost: str
    otherwise: str = ""
    ratio: str = ""


def show(work: str, cost: str, otherwise: str = "", ratio: str = "") -> None:
    """Print a figure; append it to the rows of `make speed` where that runs."""
    against = f"; {otherwise}" if otherwise else ""
    times = f"; {ratio} times" if ratio else ""
    print(f"{work}: {cost}{against}{times}", flush=True)
    if file := os.environ.get(ROWS_FILE):
        with Path(file).open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(asdict(Row(work, cost, otherwise, ratio)), ensure_ascii=False) + "\n")


def check_count(name: str, actual: int, expected: int) -> None:
    """End the script unless as much was done as the figure divides by, and anything at all."""
    if actual != expected or expected <= 0:
        raise SystemExit(f"{name}: {actual} instead of {expected}; a figure of this would be no measurement")


def check_close(name: str, difference: float, limit: float) -> None:
    """End the script unless two sides that are compared gave the same, up to `limit`."""
    if not difference <= limit:  # also where it is not a number
        raise SystemExit(f"{name}: the sides differ by {difference:g}, more than {limit:g}; they did not do the same")


def rate(count: int, seconds: float) -> float:
    """Return `count` per second; end the script where either is no amount of work or of time."""
    return ratio(float(count), seconds)


def ratio(other: float, cost: float) -> float:
    """Return how many times `cost` goes into `other`; end the script unless both are positive numbers."""
    if not (math.isfinite(other) and math.isfinite(cost) and other > 0 and cost > 0):
        raise SystemExit(f"{other:g} divided by {cost:g} is no measurement")
    return other / cost


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Return ``5.6 (5.1 to 6.0)``: the median of some rounds with the range, or one value alone."""
    if len(values) == 1:
        return format(values[0], form)
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def machine() -> dict[str, Any]:
    """Return what a figure depends on: processor, cores, flags, GPU, versions, commit and day."""
    about, code = provenance.environment(), provenance.code()
    return {
        "processor": about["cpu"],
        "cores": about["cores"],
        "flags": [flag for flag in FLAGS if flag in _flags()],
        "gpu": about["gpu"],
        "python": about["python"],
        "torch": about["packages"].get("torch"),
        "commit": f"{(code['git'] or 'unknown')[:7]}{', changed' if code['dirty'] else ''}",
        "date": datetime.now(UTC).date().isoformat(),
    }


def machine_line() -> str:
    """Return `machine` as one sentence."""
    about = machine()
    flags = f" ({', '.join(about['flags'])})" if about["flags"] else ""
    gpu = f", {about['gpu']}" if about["gpu"] else ""
    versions = f"Python {about['python']}, torch {about['torch']}"
    return (
        f"{about['processor']}{flags}, {about['cores']} cores{gpu}, {versions}, commit {about['commit']}, "
        + (about["date"])
    )


def load() -> str:
    """Return how many processes wanted a core in the last minute, "unknown" where the system does not tell."""
    reference = Path("/proc/loadavg")
    return reference.read_text().split()[0] if reference.exists() else "unknown"


def _flags() -> set[str]:
    reference = Path("/proc/cpuinfo")
    lines = reference.read_text().splitlines() if reference.exists() else []
    return set(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())
