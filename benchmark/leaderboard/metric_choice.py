"""Tables of another metric than the primary one (``--metric auprc_macro``), from the same records.

Records keep the resamples of the primary metric alone. Under another one there is an order, and no test of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchmark.errors import UsageError, did_you_mean
from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.words import label_set_words, task_words
from benchmark.metrics.ranges import is_higher_better


def metrics_of(entries: Iterable[Entry]) -> list[str]:
    """Return the names of all metrics that the records hold, the primary ones first."""
    results = [result for entry in entries for result in entry.results]
    primary = {result.primary: None for result in results if result.value is not None}
    return list(primary | {name: None for result in results for name in result.metrics})


def under_metric(entries: list[Entry], metric: str) -> list[Entry]:
    """Return the entries of the tables whose records hold `metric`, with it in place of the primary one.

    Entries whose primary metric it is keep their resamples. Raises `UsageError` where no record holds it.
    """
    names = metrics_of(entries)
    if names and metric not in names:
        raise UsageError(f"--metric: the records hold no {metric!r}{did_you_mean(metric, names)}")
    places = {_place(entry) for entry in entries if any(metric in result.metrics for result in entry.results)}
    return [under(entry, metric) for entry in entries if _place(entry) in places]


def metric_notes(before: list[Entry], after: list[Entry], metric: str) -> list[str]:
    """Return notes on the tables without the metric, and on an order that is not tested or means nothing."""
    kept_places = set(map(_place, after))
    left_out = dict.fromkeys(place for place in map(_place, before) if place not in kept_places)
    lines = [
        f"{task_words(task)} on {label_set_words(*labels)}: left out, its records hold no {metric}."
        for task, *labels in left_out
    ]
    primary = sorted({entry.facts.primary for entry in after} - {metric})
    if primary and is_higher_better(metric) is None:
        lines.append(f"{metric}: neither end of it is known to be better, so no entry is marked.")
    elif primary:
        lines.append(f"The order by {metric} is untested: records keep resamples of {', '.join(primary)} alone.")
    return lines


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.task, entry.dataset, entry.label_set


def under(entry: Entry, metric: str) -> Entry:
    """Return an entry with `metric` in place of the primary one; itself where it is the primary one."""
    if not entry.results or entry.results[0].primary == metric:
        return entry
    direction = is_higher_better(metric) is not False
    results = [replace(result, primary=metric, higher_is_better=direction) for result in entry.results]
    return replace(entry, results=results, _sums={}, _terms=0)  # the resamples are of the primary metric
