"""Prompt sets: for each class of a label set, the phrases that represent it in zero-shot classification.

A set is a JSON file: the project's own are in ``tasks/prompts`` and are named by their language
(``en``, ``de``), any other is given by its path; ``en+de`` joins sets. A flat file ``{"CODE": "text"}``,
the format of MERL's prompts, holds for every dataset and label set; a class may have a list of phrases there. A class
may name another one of its dataset in place of phrases (``"AFIB": "rhythm/AFIB"``): then it has the phrases of that
class, which alone owns them. The name of a folder that describes itself stands for the ``prompts.json`` in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark.api import report_key
from benchmark.errors import UsageError, did_you_mean, raise_all
from benchmark.own_folders import described_folder
from benchmark.paths import is_file, user_path

ANY = "*"  # the dataset and the label set of a flat file
OWN = "prompts.json"  # beside a dataset.toml
PREFIX = "ecgarena_"  # tasks/prompts/ecgarena_NAME.json
TEXT_FIELDS = ("name", "language", "version", "about")
LEVELS = ("datasets", "label sets", "classes")

Classes = Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]]  # dataset -> label set -> code -> phrases


@dataclass(frozen=True)
class PromptSet:
    """The phrases of one file, or of several joined with ``+`` (then `parts` are the single files).

    `digest` covers the phrases and their classes, not the file's layout or its `about`: equal digests
    mean equal texts. A flat file has the language ``und``.
    """

    name: str
    language: str
    digest: str
    classes: Classes = field(repr=False, hash=False)
    source: str = ""
    parts: tuple[PromptSet, ...] = ()

    def phrases(self, dataset: str, label_set: str, classes: Sequence[str]) -> list[list[str]]:
        """Return the phrases of each class in the given order; every part must know every class."""
        parts = self.parts or (self,)
        problems = [problem for part in parts for problem in part._missing(dataset, label_set, classes)]
        raise_all(problems, f"prompts are missing for {dataset}/{label_set}:")
        tables = [part._table(dataset, label_set) for part in parts]
        return [list(dict.fromkeys(phrase for table in tables for phrase in table[code])) for code in classes]

    def _table(self, dataset: str, label_set: str) -> Mapping[str, tuple[str, ...]]:
        flat = self.classes.get(ANY, {}).get(ANY, {})
        return self.classes.get(dataset, {}).get(label_set, flat)

    def _missing(self, dataset: str, label_set: str, classes: Sequence[str]) -> list[str]:
        table = self._table(dataset, label_set)
        missing = [code for code in classes if code not in table]
        if not missing:
            return []
        return [
            f"prompt set {self.name!r} has no phrases for {', '.join(missing)}{self._reason(dataset, label_set)}; "
            f"add them to {self.source} {self._place(dataset, label_set)}, or choose another prompt set"
        ]

    def _reason(self, dataset: str, label_set: str) -> str:
        if ANY in self.classes:
            return ""
        if dataset not in self.classes:
            return f", for it does not know the dataset {dataset!r}{did_you_mean(dataset, self.classes)}"
        classes = self.classes[dataset]
        if label_set not in classes:
            return f", for it does not know the label set {label_set!r}{did_you_mean(label_set, classes)}"
        return f" (it has {', '.join(classes[label_set])})"

    def _place(self, dataset: str, label_set: str) -> str:
        return "at its top level" if ANY in self.classes else f"under classes.{dataset}.{label_set}"


def load_prompts(name_or_path: str) -> PromptSet:
    """Read the set called ``en`` or ``de``, a ``.json`` file, or several of them joined with ``+``."""
    whole = name_or_path.endswith(".json") and is_file(user_path(name_or_path))
    names = [name_or_path] if whole else name_or_path.split("+")
    if len(set(names)) < len(names):
        raise UsageError(f"{name_or_path!r} names a prompt set twice; name each one once")
    parts = tuple(_read(_locate(name)) for name in names)
    return parts[0] if len(parts) == 1 else _join(parts)


def builtin_prompts() -> dict[str, Path]:
    """Map the names of the project's own prompt sets to their files, found without importing ``tasks``."""
    spec = find_spec("tasks")
    folders = (spec and spec.submodule_search_locations) or []
    files = sorted(path for folder in folders for path in Path(folder, "prompts").glob(f"{PREFIX}*.json"))
    return {path.stem.removeprefix(PREFIX): path for path in files}


def _locate(name: str) -> Path:
    if name.endswith(".json"):
        return user_path(name)
    builtin = builtin_prompts()
    if name not in builtin and (folder := described_folder(name)):
        return folder / OWN
    if name not in builtin:
        raise UsageError(
            f"no prompt set is called {name!r}{did_you_mean(name, builtin)}; "
            "give a name, the path of a .json file, or several joined with '+'"
        )
    return builtin[name]


def _read(path: Path) -> PromptSet:
    document, faults = _parse(path)
    flat = not {*TEXT_FIELDS, "classes"} & document.keys()
    if not faults:
        faults = _flat_faults(document) if flat else _faults(document) or list(_reference_faults(document["classes"]))
    raise_all(faults, f"{path} is not a valid prompt set:")
    if flat:
        table = {code: (text,) if isinstance(text, str) else tuple(text) for code, text in document.items()}
        return _prompt_set(path.stem, "und", {ANY: {ANY: table}}, path)
    return _prompt_set(document["name"], document["language"], _freeze(document["classes"]), path)


def _prompt_set(name: str, language: str, classes: Classes, path: Path) -> PromptSet:
    return PromptSet(name, language, _digest(classes), classes, str(path))


def _join(parts: tuple[PromptSet, ...]) -> PromptSet:
    return PromptSet(
        name="+".join(part.name for part in parts),
        language="+".join(part.language for part in parts),
        digest=_digest([part.digest for part in parts]),
        classes=_merge(parts),
        source=", ".join(part.source for part in parts),
        parts=parts,
    )


def _merge(parts: Sequence[PromptSet]) -> Classes:
    """Return the union of the parts' classes, for display; `PromptSet.phrases` uses the parts."""
    union: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {}
    for part in parts:
        for dataset, label_sets in part.classes.items():
            for label_set, table in label_sets.items():
                target = union.setdefault(dataset, {}).setdefault(label_set, {})
                for code, phrases in table.items():
                    target[code] = tuple(dict.fromkeys(target.get(code, ()) + phrases))
    return union


def _freeze(classes: dict[str, dict[str, dict[str, list[str] | str]]]) -> Classes:
    return {
        dataset: {
            label_set: {code: tuple(_phrases(label_sets, phrases)) for code, phrases in table.items()}
            for label_set, table in label_sets.items()
        }
        for dataset, label_sets in classes.items()
    }


def _phrases(label_sets: Mapping[str, Mapping[str, list[str] | str]], phrases: list[str] | str) -> list[str]:
    """Return the phrases of a class, those of the class that it names in their place."""
    while isinstance(phrases, str):  # `_reference_faults` has found no circle
        label_set, _, code = phrases.partition("/")
        phrases = label_sets[label_set][code]
    return phrases


def _digest(content: object) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


# --- what can be wrong with a file ---------------------------------------------------------------


def _parse(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the file's top-level object, and the faults found while reading, such as duplicate keys."""
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in items]
        repeated.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(items)

    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=pairs)
    except OSError as error:
        return {}, [f"cannot be read: {error.strerror}; give the path of an existing file"]
    except ValueError as error:  # of the encoding or of the JSON
        return {}, [f"is not JSON in UTF-8: {error}"]
    if not isinstance(document, dict):
        return {}, [f"must hold an object, not {_kind(document)}"]
    return document, [f"{key}: stands twice in one object; keep one" for key in repeated]


def _faults(document: dict[str, Any]) -> list[str]:
    fields = {*TEXT_FIELDS, "classes"}
    faults = [f"{key}: unknown field{did_you_mean(key, fields)}" for key in document if key not in fields]
    for key in TEXT_FIELDS:
        if not _is_text(document.get(key)):
            faults.append(f"{key}: must be a non-empty string, not {_kind(document.get(key))}")
    return faults + _class_faults(document.get("classes"), "classes", LEVELS)


def _class_faults(node: object, where: str, levels: Sequence[str]) -> list[str]:
    if not levels:
        return _phrase_faults(node, where)
    if not isinstance(node, dict) or not node:
        return [f"{where}: must be an object of {levels[0]}, not {_kind(node)}"]
    return [fault for key, child in node.items() for fault in _class_faults(child, f"{where}.{key}", levels[1:])]


def _reference_faults(classes: dict[str, dict[str, dict[str, list[str] | str]]]) -> Iterator[str]:
    """Return a sentence for each class that names another one which is not there, or names itself in the end."""
    for dataset, label_sets in classes.items():
        for label_set, table in label_sets.items():
            for code, phrases in table.items():
                path = [f"{label_set}/{code}"]
                while isinstance(phrases, str):
                    if phrases in path:
                        yield f"classes.{dataset}.{label_set}.{code}: names itself: {' -> '.join([*path, phrases])}"
                        break
                    path.append(phrases)
                    other, _, name = phrases.partition("/")
                    if name not in label_sets.get(other, {}):
                        yield f"classes.{dataset}.{label_set}.{code}: there is no class {phrases!r} in {dataset}"
                        break
                    phrases = label_sets[other][name]


def _phrase_faults(phrases: object, where: str) -> list[str]:
    if isinstance(phrases, str) and _is_text(phrases):
        return []  # the name of another class
    if not isinstance(phrases, list) or not phrases:
        return [f"{where}: must be a list of phrases, not {_kind(phrases)}"]
    faults, earlier = [], set()
    for place, phrase in enumerate(phrases):
        if not _is_text(phrase):
            faults.append(f"{where}[{place}]: must be a non-empty string, not {_kind(phrase)}")
            continue
        plain = report_key(phrase)  # methods lower-case their texts, so case does not distinguish phrases
        if plain in earlier:
            faults.append(f"{where}[{place}]: {phrase!r} stands there twice; keep one")
        earlier.add(plain)
    return faults


def _flat_faults(document: dict[str, Any]) -> list[str]:
    if not document:
        return [
            "is empty: it must map class codes to texts, or have the fields name, language, version, about, classes"
        ]
    return [fault for code, text in document.items() for fault in _flat_class_faults(code, text)]


def _flat_class_faults(code: str, text: object) -> list[str]:
    if isinstance(text, list) and text:
        return _phrase_faults(text, code)
    return [] if _is_text(text) else [f"{code}: must be a non-empty string or a list of phrases, not {_kind(text)}"]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
