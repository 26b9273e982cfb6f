"""Age and sex as written in headers and tables, and the range of possible ages."""

from __future__ import annotations

from math import isnan

OLDEST = 130.0


def parse_age(text: str) -> float | None:
    """Parse a number of years; None for any other text. The preparation checks its range with `known_age`."""
    try:
        age = float(text)
    except ValueError:
        return None
    return None if isnan(age) else age


def known_age(age: float | None) -> float | None:
    """Return the age, or None for an impossible one: NaN, infinite, negative or above `OLDEST` years."""
    return age if age is not None and 0 <= age <= OLDEST else None


def parse_sex(text: str) -> str | None:
    return {"male": "male", "m": "male", "female": "female", "f": "female"}.get(text.strip().lower())
