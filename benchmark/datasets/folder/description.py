"""The form of ``dataset.toml``: which column of the index is what, how patients are split, what arrays hold."""

from __future__ import annotations

import unicodedata
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from benchmark.api import REPORTS, SPLITS, Target
from benchmark.canonical import digest
from benchmark.data.signals.few_leads import available_leads
from benchmark.errors import brief, did_you_mean, raise_all
from benchmark.names import name_problem
from benchmark.toml_values import read_toml, value_problems

SEPARATOR = ";"
PLACES = {"title", "source", "licence", "derives_from", "index", "files", "targets"}  # no part of a store's content
LATER = ("category", "otherwise", "unknown")  # keys of a label set that the first descriptions did not have


def as_cell(value: str | int) -> str:
    """Return a value of the description as the index is read: as text, each letter in its composed form."""
    return unicodedata.normalize("NFC", str(value))


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(Table):
    """The columns of the index; `row` is a recording's place in a file that holds many."""

    record: str = Field(min_length=1)
    path: str = Field(min_length=1)
    patient: str = Field(min_length=1)
    row: str | None = Field(None, min_length=1)
    report: str | None = Field(None, min_length=1)
    age: str | None = Field(None, min_length=1)
    sex: str | None = Field(None, min_length=1)
    device: str | None = Field(None, min_length=1)


class Split(Table):
    """Either a column, whose values may be mapped to splits, or shares of the patients, drawn with a seed."""

    column: str | None = Field(None, min_length=1)
    train: list[str | int] | None = None
    val: list[str | int] | None = None
    test: list[str | int] | None = None
    seed: int | None = None
    val_share: float | None = Field(None, gt=0, lt=1)
    test_share: float | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_way(self) -> Split:
        seeding = [name for name in ("seed", "val_share", "test_share") if getattr(self, name) is not None]
        mapped = [name for name in SPLITS if getattr(self, name) is not None]
        if self.column is None:
            if mapped or len(seeding) < 3:
                raise ValueError("give either a column, or seed, val_share and test_share")
            if (self.val_share or 0) + (self.test_share or 0) >= 1:
                raise ValueError("val_share and test_share leave no patient to train")
        elif seeding:
            raise ValueError(f"a split by a column takes no {', '.join(seeding)}")
        elif mapped and len(mapped) < len(SPLITS):
            raise ValueError("give the column's values for all of train, val and test, or for none")
        if doubled := _doubled([str(value) for name in mapped for value in getattr(self, name)]):
            raise ValueError(f"{', '.join(doubled)} would be in two splits")
        return self

    def values(self) -> dict[str, str]:
        """Map the values of the column to splits."""
        own = {name: getattr(self, name) for name in SPLITS}
        return {as_cell(value): name for name, values in own.items() for value in (values or [name])}


class Sexes(Table):
    """The values of the column `sex`."""

    female: list[str | int] = ["female", "F", "f"]
    male: list[str | int] = ["male", "M", "m"]

    def values(self) -> dict[str, str]:
        """Map the values of the column to the harness's words."""
        return {as_cell(value): name for name in ("female", "male") for value in getattr(self, name)}


class LabelSet(Table):
    """Columns of 0 and 1, by class; or one column of codes; or one column that holds exactly one category.

    `otherwise` is the class of recordings without any other. `unknown` are cells that say that nobody looked: such a
    recording is left out of the label set.
    """

    columns: list[str] | dict[str, str] | None = None
    codes: str | None = Field(None, min_length=1)
    category: str | None = Field(None, min_length=1)
    separator: str = Field(SEPARATOR, min_length=1)
    classes: list[str] | dict[str, list[str | int]] | None = None
    otherwise: str | None = Field(None, min_length=1)
    unknown: list[str | int] = []

    @model_validator(mode="after")
    def _one_way(self) -> LabelSet:
        ways = [self.columns, self.codes, self.category]
        if sum(way is not None for way in ways) != 1 or (self.columns is None) != (self.classes is not None):
            raise ValueError(
                "give either columns (of 0 and 1), or codes (one column) with classes, or category (one column) "
                "with classes"
            )
        names = self.class_names()
        if not names:
            raise ValueError("it has no class")
        if "" in names or (doubled := _doubled(names)):
            raise ValueError("a class without a name" if "" in names else f"{', '.join(doubled)}: twice")
        if len(names) < 2:
            raise ValueError(
                f"{names[0]!r} is its only class. A recording without any class is no part of a label set, so all of "
                f'them would be positive: add otherwise = "no {names[0]}"'
            )
        if self.category is not None and (doubled := _doubled([*chain(*self.codes_by_class().values())])):
            raise ValueError(f"{', '.join(doubled)} would be of two classes")
        return self

    def class_names(self) -> list[str]:
        return [*(self.columns or self.classes or ()), *([self.otherwise] if self.otherwise else [])]

    def column_names(self) -> list[str]:
        """Return the columns that it reads."""
        single = self.codes or self.category
        return [single] if single else list(self.columns_by_class().values())

    def columns_by_class(self) -> dict[str, str]:
        """Map each class to its column; {} where one column holds them all."""
        columns = self.columns or {}
        return columns if isinstance(columns, dict) else {name: name for name in columns}

    def codes_by_class(self) -> dict[str, set[str]]:
        """Map each class to its codes or categories; {} where each class has a column."""
        classes = self.classes or {}
        table = classes if isinstance(classes, dict) else {name: [name] for name in classes}
        return {name: {as_cell(code) for code in codes} for name, codes in table.items()}


class Number(Table):
    """A column with a number for each recording; an empty cell, and one of `unknown`, is an unknown number."""

    column: str = Field(min_length=1)
    unit: str = Field(min_length=1)
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    about: str = ""
    outside: str = ""
    unknown: list[str | int] = []

    @model_validator(mode="after")
    def _rising(self) -> Number:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}: no number lies between them")
        return self

    def target(self) -> Target:
        """Return the target. It names the column, so that another column is noticed as another target."""
        about = "; ".join(part for part in (self.about, f"column {self.column}") if part)
        return Target(self.unit, self.low, self.high, about, self.outside)


class Signals(Table):
    """The signals: `rate` in Hz of all of them. WFDB headers name unit and leads; of other files they are said here.

    `leads` may be fewer than twelve, and then say what the dataset has.
    """

    rate: float = Field(gt=0, le=1e6)
    seconds: float = Field(10.0, gt=0)
    unit: Literal["V", "mV", "uV"] | None = None
    units_per_millivolt: float | None = Field(None, gt=0)
    leads: list[str] | None = None
    key: str | None = Field(None, min_length=1)

    @field_validator("leads")
    @classmethod
    def _named_leads(cls, leads: list[str] | None) -> list[str] | None:
        if leads is not None:
            available_leads(leads)
        return leads

    @model_validator(mode="after")
    def _one_unit(self) -> Signals:
        if self.unit is not None and self.units_per_millivolt is not None:
            raise ValueError("give unit or units_per_millivolt, not both")
        return self

    def per_millivolt(self) -> float | None:
        """Return the units of an array per millivolt; None where nothing says it."""
        scales = {"V": 1e-3, "mV": 1.0, "uV": 1e3}
        return scales[self.unit] if self.unit else self.units_per_millivolt


class Description(Table):
    """A whole ``dataset.toml``."""

    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    derives_from: list[str] = []
    index: str = Field("index.csv", min_length=1)
    files: str = "."
    language: str | None = None
    columns: Columns
    split: Split
    sexes: Sexes = Sexes()
    signals: Signals
    label_sets: dict[str, LabelSet] = {}
    targets: dict[str, Number] = {}

    @field_validator("label_sets", "targets")
    @classmethod
    def _safe_names(cls, tables: dict[str, Any]) -> dict[str, Any]:
        for name in tables:
            if problem := "that word stands for all reports" if name == REPORTS else name_problem(name):
                raise ValueError(f"neither a label set nor a target can be called {brief(name)}: {problem}")
        return tables

    @model_validator(mode="after")
    def _something_to_ask(self) -> Description:
        if not self.label_sets and not self.targets and self.columns.report is None:
            raise ValueError("it has no label_sets, no targets and no columns.report: nothing could be asked of it")
        if both := [name for name in self.targets if name in self.label_sets]:
            raise ValueError(f"{', '.join(both)} is a label set and a target: rename one")
        return self

    def version(self) -> int:
        """Return a number that changes with everything that changes labels, splits or signals.

        Targets lie beside the store and have digests of their own. A key that came later counts where it is used, so
        that older descriptions keep their version.
        """
        content = self.model_dump(exclude=PLACES)
        for label_set, table in content["label_sets"].items():
            later = {key: value for key, value in table.items() if key not in LATER or value}
            content["label_sets"][label_set] = later
        return int(digest(content, 8), 16)


def read_description(path: Path) -> Description:
    """Parse and check the file; raise one `UsageError` with all of its mistakes."""
    raw = read_toml(path)
    problems = list(value_problems(raw))
    try:
        description = Description.model_validate(raw)
    except ValidationError as error:
        problems += [_explain(fault) for fault in error.errors()]
    raise_all(list(dict.fromkeys(problems)), f"{path} is wrong:")
    return description


def _explain(fault: Any) -> str:
    """Put a fault into words: its key, what is wrong and the nearest key."""
    path = [str(part) for part in fault["loc"]]
    where = ".".join(path) or "the file"
    if fault["type"] == "extra_forbidden":
        return f"{where} is no key{did_you_mean(path[-1], _table_of(path).model_fields)}"
    if fault["type"] == "missing":
        return f"{where} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    whole = isinstance(fault["input"], dict) and fault["type"] == "value_error"
    return f"{where}: {message}" if whole else f"{where}: {message}, it is {brief(fault['input'])}"


def _table_of(path: list[str]) -> type[Table]:
    """Return the table in which the last key of a path stands."""
    if len(path) == 1:
        return Description
    tables: dict[str, type[Table]] = {"columns": Columns, "split": Split, "sexes": Sexes, "signals": Signals}
    tables["targets"] = Number
    return tables.get(path[0], LabelSet)


def _doubled(values: list[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})
