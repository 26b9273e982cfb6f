"""Checks of the promises in `benchmark.api`: for methods, tasks and datasets.

`ecgarena check NAME` runs them all and lists every failure; `benchmark.testing` exports them for pytest. Each function
takes an object and returns its checks by name. A check raises AssertionError with the expected and the actual value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.errors import LeftOut

Checks = dict[str, Callable[[], None]]


@dataclass(frozen=True)
class Outcome:
    """Sentences by the names of checks: for failures, and for parts that the configuration leaves out."""

    failures: dict[str, str]
    left_out: dict[str, str]


def outcome(checks: Checks) -> Outcome:
    """Run all checks and return their outcome.

    Whatever a check raises is its failure and stops no other check. `LeftOut` breaks no promise and is listed
    separately.
    """
    result = Outcome({}, {})
    for name, check in checks.items():
        try:
            check()
        except LeftOut as error:
            result.left_out[name] = str(error)
        except Exception as error:
            plain = isinstance(error, AssertionError)
            result.failures[name] = str(error) if plain else f"{type(error).__name__}: {error}"
    return result


def failures(checks: Checks) -> dict[str, str]:
    """Run all checks; return the reason of each failure."""
    return outcome(checks).failures
