"""Age and sex as headers and tables write them; whatever cannot be a person's becomes None."""

from __future__ import annotations

OLDEST = 130.0


def parse_age(text: str) -> float | None:
    try:
        age = float(text)
    except ValueError:
        return None
    return age if 0 <= age <= OLDEST else None


def parse_sex(text: str) -> str | None:
    return {"male": "male", "m": "male", "female": "female", "f": "female"}.get(text.strip().lower())
