"""The form of ``dataset.toml``: which column of the index is what, how patients are split, what arrays hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from benchmark.api import REPORTS, SPLITS
from benchmark.canonical import digest
from benchmark.data.signals.signal import lead_positions
from benchmark.errors import brief, did_you_mean, raise_all
from benchmark.names import name_problem
from benchmark.toml_values import read_toml, value_problems

SEPARATOR = ";"
PLACES = {"title", "source", "licence", "derives_from", "index", "files"}  # no part of what a cell asks


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
        return {str(value): name for name, values in own.items() for value in (values or [name])}


class Sexes(Table):
    """The values of the column `sex`."""

    female: list[str | int] = ["female", "F", "f"]
    male: list[str | int] = ["male", "M", "m"]

    def values(self) -> dict[str, str]:
        """Map the values of the column to the harness's words."""
        return {str(value): name for name in ("female", "male") for value in getattr(self, name)}


class LabelSet(Table):
    """Either columns of 0 and 1, by class, or one column of codes with the codes of each class."""

    columns: list[str] | dict[str, str] | None = None
    codes: str | None = Field(None, min_length=1)
    separator: str = Field(SEPARATOR, min_length=1)
    classes: list[str] | dict[str, list[str | int]] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> LabelSet:
        if (self.columns is None) == (self.codes is None) or (self.codes is None) != (self.classes is None):
            raise ValueError("give either columns (of 0 and 1), or codes (one column) with classes")
        if not self.class_names():
            raise ValueError("it has no class")
        if "" in self.class_names() or (doubled := _doubled(self.class_names())):
            raise ValueError("a class without a name" if "" in self.class_names() else f"{', '.join(doubled)}: twice")
        return self

    def class_names(self) -> list[str]:
        return list(self.columns or self.classes or ())

    def columns_by_class(self) -> dict[str, str]:
        """Map each class to its column; {} where one column holds codes."""
        columns = self.columns or {}
        return columns if isinstance(columns, dict) else {name: name for name in columns}

    def codes_by_class(self) -> dict[str, set[str]]:
        """Map each class to its codes; {} where each class has a column."""
        classes = self.classes or {}
        table = classes if isinstance(classes, dict) else {name: [name] for name in classes}
        return {name: {str(code) for code in codes} for name, codes in table.items()}


class Signals(Table):
    """The signals: `rate` in Hz of all of them. WFDB headers name unit and leads; of other files they are said here."""

    rate: float = Field(gt=0, le=1e6)
    seconds: float = Field(10.0, gt=0)
    unit: Literal["V", "mV", "uV"] | None = None
    units_per_millivolt: float | None = Field(None, gt=0)
    leads: list[str] | None = None
    key: str | None = Field(None, min_length=1)

    @field_validator("leads")
    @classmethod
    def _twelve(cls, leads: list[str] | None) -> list[str] | None:
        if leads is not None:
            lead_positions(leads)
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

    @field_validator("label_sets")
    @classmethod
    def _safe_names(cls, label_sets: dict[str, LabelSet]) -> dict[str, LabelSet]:
        for name in label_sets:
            if problem := "that word stands for all reports" if name == REPORTS else name_problem(name):
                raise ValueError(f"a label set cannot be called {brief(name)}: {problem}")
        return label_sets

    @model_validator(mode="after")
    def _something_to_ask(self) -> Description:
        if not self.label_sets and self.columns.report is None:
            raise ValueError("it has neither label_sets nor columns.report: nothing could be asked of it")
        return self

    def version(self) -> int:
        """Return a number that changes with everything that changes labels, splits or signals."""
        return int(digest(self.model_dump(exclude=PLACES), 8), 16)


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
    return tables.get(path[0], LabelSet)


def _doubled(values: list[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})
