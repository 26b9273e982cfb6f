"""Generated reports beside the true ones and their recordings, for ``ecgarena reports``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from safetensors.numpy import load_file

from benchmark.data.reports.report_texts import report_key
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import DataError, MissingError
from benchmark.leaderboard.ecg_paper import draw
from benchmark.leaderboard.summary import column_title, summarise, varying
from benchmark.leaderboard.words import label_set_words, metric_words
from benchmark.paths import Home
from benchmark.planning.plan import Cell, Plan
from benchmark.planning.standing import AtHand, Standings
from benchmark.records.paths import PREDICTIONS
from benchmark.records.store import Store

ORDERS = ("random", "worst", "best")


@dataclass(frozen=True)
class Written:
    """One row's report of a recording; `score` is its share in the primary metric, None where it has none."""

    row: str
    column: str
    text: str
    score: float | None
    same: bool  # as the true one, case and blanks aside


@dataclass(frozen=True)
class Shown:
    """One recording with its true report and all generated ones."""

    record_id: str
    facts: str
    reference: str
    svg: str
    texts: list[Written]


@dataclass
class Section:
    """The recordings of one dataset and label set."""

    title: str
    metric: str
    recordings: int
    recordings_shown: list[Shown] = field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    """A cell's texts and scores, by record id."""

    row: str
    column: str
    primary: str
    texts: dict[str, str]
    scores: dict[str, float]


def collect_written(
    plan: Plan, store: Store, now: AtHand, home: Home, show: int, order: str, seed: int
) -> list[Section]:
    """Return at most `show` recordings of each dataset: drawn with `seed`, or those with the worst or best scores.

    Raises `MissingError` when no finished cell of the plan keeps texts, `DataError` for records of other data.
    """
    columns, standings = _columns(plan, store, now)
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in standings.finished_cells:
        if store.texts(cell.spec) is not None:
            groups.setdefault((cell.spec.dataset, cell.spec.label_set), []).append(cell)
    if not groups:
        raise MissingError(
            f"no finished cell of {plan.suite.name} under {store.root} keeps generated reports (collected records "
            f"leave them out); to write them: {plan.command('run')}"
        )
    number = 0
    sections = []
    for (dataset, label_set), cells in groups.items():
        data = open_dataset(dataset, cells[0].spec.dataset_config, home)
        sources = [_source(plan, cell, store, data, columns) for cell in cells]
        ids = _choose_ids(sources, show, order, seed)
        section = Section(label_set_words(dataset, label_set), metric_words(sources[0].primary), len(sources[0].texts))
        rows = {str(name): row for row, name in enumerate(data.record_ids)}
        for name in ids:
            section.recordings_shown.append(_show_recording(name, rows[name], data, sources, number))
            number += 1
        sections.append(section)
    return sections


def _columns(plan: Plan, store: Store, now: AtHand) -> tuple[dict[str, str], Standings]:
    """Return the column title of each finished cell by its key, and the standing of all cells."""
    entries, standings = summarise(plan, store, now)
    columns = {}
    for entry in entries:
        names = varying([other for other in entries if other.task == entry.task])
        columns.update({result.key: column_title(entry, names) for result in entry.results})
    return columns, standings


def _source(plan: Plan, cell: Cell, store: Store, data: PreparedDataset, columns: dict[str, str]) -> _Source:
    record, written_texts = store.get(cell.spec), store.texts(cell.spec)
    assert record is not None and written_texts is not None  # chosen for having both
    if record.data_digest != data.digest:
        raise DataError(
            f"{store.folder(cell.spec)} was made from other data than {data.path}; to make it anew: "
            f"{plan.command('run')}"
        )
    ids, path = written_texts["record_ids"], store.folder(cell.spec) / PREDICTIONS
    values = load_file(path).get(record.primary) if path.is_file() else None
    scores = {} if values is None else {name: float(v) for name, v in zip(ids, values, strict=True) if np.isfinite(v)}
    texts = dict(zip(ids, written_texts["generated"], strict=True))
    return _Source(cell.row, columns[cell.spec.key], record.primary, texts, scores)


def _choose_ids(sources: list[_Source], show: int, order: str, seed: int) -> list[str]:
    """Choose record ids at random, or by their mean score over all rows."""
    ids = list(sources[0].texts)
    sample = [ids[place] for place in np.random.default_rng(seed).permutation(len(ids))]
    if order == "random":
        return sample[:show]
    means = {name: float(np.mean([s.scores[name] for s in sources if name in s.scores] or [np.nan])) for name in sample}
    scored = [name for name in sample if np.isfinite(means[name])]
    return sorted(scored, key=lambda name: means[name] if order == "worst" else -means[name])[:show]


def _show_recording(name: str, row: int, data: PreparedDataset, sources: list[_Source], number: int) -> Shown:
    reference = str(data.reports[row])
    person = data.table.iloc[row]
    facts = [f"{person['age']:.0f} years" if np.isfinite(person["age"]) else "", str(person["sex"])]
    svg_title = f"12-lead ECG of recording {name}"
    svg = draw(data.millivolt(np.array([row]))[0], data.rate, number, svg_title)
    return Shown(
        name,
        ", ".join(fact for fact in facts if fact and fact != "nan"),
        reference,
        svg,
        _texts_of(name, reference, sources),
    )


def _texts_of(name: str, reference: str, sources: list[_Source]) -> list[Written]:
    """Return the reports of each row; equal texts of one row (a baseline's, say) are one entry."""
    columns: dict[tuple[str, str], list[_Source]] = {}
    for source in sources:
        if name in source.texts:
            columns.setdefault((source.row, source.texts[name]), []).append(source)
    key = report_key(reference)
    return [
        Written(row, " and ".join(s.column for s in alike), text, alike[0].scores.get(name), report_key(text) == key)
        for (row, text), alike in columns.items()
    ]
