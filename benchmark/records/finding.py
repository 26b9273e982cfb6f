"""One record among many, found by the beginning of its key or by words: ``merl linear_probe ptbxl/super seed=0``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmark.errors import UsageError, did_you_mean, raise_all
from benchmark.records.files import Place
from benchmark.records.paths import RECORD
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record
from benchmark.records.store import Store
from benchmark.toml_values import parse_value

KEY = re.compile(r"[0-9a-f]{2,16}")
MOST = 8  # records that an error lists
NAMES = ("method", "task", "dataset", "label_set")  # fields of a question whose values are words of their own
CONFIGS = ("method_config", "task_config", "dataset_config")


def find_place(store: Store, words: Sequence[str]) -> Place:
    """Return the place of the one record that has this key, or that all words fit.

    A word is a method, task, dataset, label set or ``dataset/label_set``, or a field with its value: ``fraction=0.1``,
    ``seed=0``, ``width=64``. Raises `UsageError` for a word that fits no record, for none and for several.
    """
    if len(words) == 1 and KEY.fullmatch(words[0]):
        return store.place(words[0])
    fits = {word: _test_of(word) for word in words}
    records = list(_records(store))
    _check_words(fits, records, store)
    matches = [(place, record) for place, record in records if all(fit(record) for fit in fits.values())]
    if len(matches) != 1:
        raise UsageError(_several(matches, words, store))
    return matches[0][0]


def find_record(store: Store, words: Sequence[str]) -> RunRecord:
    """Return the record of `find_place`."""
    return store.find(find_place(store, words)[2])


def _test_of(word: str) -> Callable[[RunRecord], bool]:
    """Return whether a record fits a word, as a function."""
    name, sign, text = word.partition("=")
    if sign:
        value = _value(text)
        return lambda record: any(fields.get(name, ...) in (value, text) for fields in _fields(record))
    return lambda record: word in _names(record)


def _value(text: str) -> Any:
    try:
        return parse_value(text)
    except ValueError:
        return text


def _fields(record: RunRecord) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of the question, then the options of method and dataset, those at their defaults too."""
    yield record.question
    yield from (record.spec[name] for name in CONFIGS)
    yield from (part for part in record.config.values() if isinstance(part, dict))
    yield record.spec


def _names(record: RunRecord) -> list[str]:
    names = [str(record.spec[name]) for name in NAMES]
    return [*names, f"{names[2]}/{names[3]}"]


def _check_words(
    fits: Mapping[str, Callable[[RunRecord], bool]], records: list[tuple[Place, RunRecord]], store: Store
) -> None:
    """Raise for words that fit no record at all; each of them, with the nearest name."""
    vocabulary = {name: None for _, record in records for name in (*_names(record), *record.question)}
    wrong = [word for word, fit in fits.items() if not any(fit(record) for _, record in records)]
    problems = [f"no record fits {word!r}{did_you_mean(word.partition('=')[0], vocabulary)}" for word in wrong]
    raise_all(problems, f"the records under {store.root}:")


def _several(matches: list[tuple[Place, RunRecord]], words: Sequence[str], store: Store) -> str:
    """Return the complaint about none or several records, with the fields in which these differ."""
    if not matches:
        return f"no record under {store.root} fits all of {' '.join(words)}"
    lines = [f"{place[2]}  {_title(record)}" for place, record in matches[:MOST]]
    more = [f"... and {len(matches) - MOST} more"] if len(matches) > MOST else []
    return "\n  ".join([f"{len(matches)} records fit {' '.join(words)}; add a word:", *lines, *more])


def _title(record: RunRecord) -> str:
    names = [record.spec["method"], record.spec["task"], f"{record.spec['dataset']}/{record.spec['label_set']}"]
    fields = [f"{name}={value}" for name, value in {**record.question, **record.spec["method_config"]}.items()]
    return " ".join([*names, *fields])


def _records(store: Store) -> Iterator[tuple[Place, RunRecord]]:
    """Yield every record that can be believed, with its place."""
    for place in store.files.places():
        try:
            content = store.files.read(place, RECORD)
            if content is not None:
                yield place, parse_record(content, place[2])
        except UnusableRecordError:
            continue
