"""Pages of datasets: the card, splits, label sets with their classes, targets, and the suites that use them."""

from __future__ import annotations

import inspect
from typing import Any

from benchmark.leaderboard.words import capital, label_set_words
from benchmark.records.record import parse_record
from benchmark.registry import DATASETS
from benchmark.site.addresses import Place, dataset_page, suite_page
from benchmark.site.contents import Contents, SuiteRecords, class_of
from benchmark.site.method_pages import card_lines, option_lines
from benchmark.site.templates import Templates


def dataset_page_of(contents: Contents, name: str, templates: Templates) -> str:
    """Return the page of a dataset."""
    cls, reason = class_of(DATASETS, name)
    suites = [suite for suite in contents.suites if name in suite.datasets]
    return templates.render(
        "dataset.html",
        dataset_page(name),
        name=name,
        title=cls.card.title if cls else name,
        about=inspect.cleandoc(cls.__doc__ or "") if cls else "",
        synthetic=bool(cls and cls.card.synthetic),
        warnings=list(cls.warnings) if cls else [],
        reason=reason,
        card=card_lines(cls.card) if cls else [],
        label_sets=_label_sets(cls, suites, name) if cls else [],
        targets=_targets(cls) if cls else [],
        options=option_lines(cls) if cls else [],
        suites=[(suite, list(_tables(suite, name))) for suite in suites],
    )


def _label_sets(cls: Any, suites: list[SuiteRecords], name: str) -> list[dict[str, Any]]:
    """Return each label set with the sizes of its splits and, where records count them, the positives in test."""
    return [
        {
            "name": label_set,
            "words": label_set_words(name, label_set),
            "notes": _notes(cls, label_set),
            "sizes": cls.card.sizes.get(label_set),
            "classes": list(classes),
            "positives": _positives(suites, name, label_set),
        }
        for label_set, classes in cls.all_label_sets().items()
    ]


def _notes(cls: Any, label_set: str) -> list[str]:
    """Return what a reader must know of a label set: where its labels are from, and that some are unknown."""
    sparse = cls.sparse_label_sets.get(label_set)
    if sparse is None:
        return []
    unknown = "most entries are unknown: a class is known of a recording where somebody asked for it"
    return [capital(note) for note in (sparse.note, unknown) if note]


def _positives(suites: list[SuiteRecords], dataset: str, label_set: str) -> dict[str, int]:
    """Return the positives of each class in test, by the first whole record that counts them."""
    for suite in suites:
        for entry in suite.board.entries:
            if (entry.dataset, entry.label_set) == (dataset, label_set) and entry.results and not suite.board.partial:
                result = entry.results[0]
                record = parse_record(suite.board.store.content((entry.task, result.method, result.key)), result.key)
                counts = {name: part["positives"] for name, part in record.per_class.items() if "positives" in part}
                if counts:
                    return counts
    return {}


def _targets(cls: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "range": f"{target.low:g} to {target.high:g} {target.unit}",
            "about": "; ".join(text for text in (target.about, target.outside) if text),
            "sizes": cls.card.sizes.get(name),
        }
        for name, target in cls.targets.items()
    ]


def _tables(suite: SuiteRecords, dataset: str) -> list[tuple[str, Place]]:
    """Return title and place of each table of a suite on this dataset."""
    return [
        (table.title, Place(suite_page(suite.name), f"table-{number}-title"))
        for number, table in enumerate(suite.board.tables)
        if table.dataset == dataset
    ]
