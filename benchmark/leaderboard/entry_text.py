"""The text of an entry: number, spread, interval, or the reason why there is no number."""

from __future__ import annotations

from typing import NamedTuple

from benchmark.leaderboard.presentation import PLAIN, Presentation
from benchmark.leaderboard.summary import Entry


class EntryParts(NamedTuple):
    """``0.883``, ``±0.004``, ``[0.870, 0.895]``, ``(1 of 5 seeds absent)``; a part that does not apply is empty.

    ``(1 of 5 seeds undefined)`` is a finished record without the metric, such as a correlation with a constant.
    """

    number: str
    spread: str = ""
    interval: str = ""
    absent: str = ""

    @property
    def text(self) -> str:
        return " ".join(part for part in self if part)


def entry_parts(entry: Entry, look: Presentation = PLAIN) -> EntryParts:
    """Return the parts of an entry in the decimals of `look`; without a number the first says why."""
    if not entry.values:
        return EntryParts("failed" if entry.failures else "missing" if entry.missing else "undefined")
    metric = entry.results[0].primary
    interval = ""
    if look.interval and entry.interval is not None:
        interval = f"[{', '.join(look.number(bound, metric) for bound in entry.interval)}]"
    return EntryParts(
        look.number(entry.mean, metric), _spread(entry, look) if look.spread else "", interval, _gaps(entry)
    )


def _gaps(entry: Entry) -> str:
    """Return ``(1 of 5 seeds absent)``, ``(1 of 5 seeds undefined)`` or both; "" for a complete entry."""
    absent = entry.missing + entry.failures
    units = "seeds" if entry.trainings == 1 else "cells"
    of_all = f"of {absent + len(entry.results)} {units}"
    gaps = ((absent, "absent"), (entry.undefined, "undefined"))
    text = ", ".join(f"{count} {of_all} {word}" for count, word in gaps if count)
    return f"({text})" if text else ""


def _spread(entry: Entry, look: Presentation) -> str:
    """Return ``±0.004``, and behind a slash that over trainings where there are several."""
    deviations = [entry.spread] if entry.trainings == 1 else [entry.spread, entry.training_spread]
    if all(deviation is None for deviation in deviations):
        return ""
    metric = entry.results[0].primary
    return "±" + "/".join("–" if one is None else look.number(one, metric) for one in deviations)


def spread_text(entry: Entry) -> str:
    """Return ``patients 0.0061, trainings 0.0043, label subsets 0.0032, rest 0.0010``; "" for an incomplete entry."""
    if entry.by_source is None:
        return ""
    return ", ".join(f"{name} {value:.4f}" for name, value in entry.by_source.by_name() if value is not None)


def entry_text(entry: Entry, interval: bool = True, look: Presentation = PLAIN) -> str:
    """Return ``0.883 ±0.004 [0.870, 0.895]``, or the reason why there is no number."""
    parts = entry_parts(entry, look)
    return (parts if interval else parts._replace(interval="")).text
