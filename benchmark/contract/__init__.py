"""What `benchmark.api` promises, as checks: for methods, for tasks, for datasets.

`ecgarena check NAME` runs them all and lists every failure; `benchmark.testing` has them for pytest. Each takes an
object and returns its checks by name; a check raises AssertionError with what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.errors import LeftOut

Checks = dict[str, Callable[[], None]]


@dataclass(frozen=True)
class Outcome:
    """Sentences by the names of checks: for those that failed, and for parts that the configuration leaves out."""

    failures: dict[str, str]
    left_out: dict[str, str]


def outcome(checks: Checks) -> Outcome:
    """Run all checks; whatever one raises is its failure and stops no other, but `LeftOut`, which breaks no promise."""
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
    """Run all checks; return what failed, with its reason."""
    return outcome(checks).failures
