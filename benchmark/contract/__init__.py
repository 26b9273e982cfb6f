"""What `benchmark.api` promises, as checks: for methods, for tasks, for datasets.

`ecgarena check NAME` runs them all and lists every failure; `benchmark.testing` has them for pytest. Each takes an
object and returns its checks by name; a check raises AssertionError with what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Callable

Checks = dict[str, Callable[[], None]]


def failures(checks: Checks) -> dict[str, str]:
    """Run all checks; what failed, with its reason. Whatever a check raises is its failure, and stops no other."""
    found = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:
            plain = isinstance(error, AssertionError)
            found[name] = str(error) if plain else f"{type(error).__name__}: {error}"
    return found
