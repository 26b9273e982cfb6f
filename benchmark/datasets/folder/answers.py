"""What a row of a folder's index answers: the positive classes of its label sets, and its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from pathlib import Path

from benchmark.data.formats.tables import Row, WrongCells, without_point_zero
from benchmark.datasets.folder.description import LabelSet, Number, as_cell
from benchmark.errors import did_you_mean

TRUTHS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}  # casefolded
JOINTS = re.compile("[;,|]")  # what other tables separate codes by
AROUND = " []{}()'\""  # of a list that a program has printed
NOBODY_LOOKED = "list it under unknown in label_sets.{}, and such recordings are left out of this label set"

Labels = Callable[[Row], tuple[str, ...]]


def labels_of(name: str, table: LabelSet) -> Labels:
    """Return the function that reads a row's positive classes of the label set called `name`."""
    unknown = {as_cell(value) for value in table.unknown}
    classes = (
        _category_of(name, table) if table.category else _codes_of(table) if table.codes else _truths_of(name, table)
    )
    otherwise = (table.otherwise,) if table.otherwise else ()

    def labels(row: Row) -> tuple[str, ...]:
        if any(_is_in(row[column].strip(), unknown) for column in table.column_names()):
            return ()
        return classes(row) or otherwise

    return labels


def number_of(number: Number) -> Callable[[str], float | None]:
    """Return the function that reads a cell's number; None where it is unknown."""
    unknown = {"", *(as_cell(value) for value in number.unknown)}

    def convert(text: str) -> float | None:
        if _is_in(text, unknown):
            return None
        try:
            value = float(text)
        except ValueError:
            hint = ", with a point for its decimals" if _is_number(text.replace(",", ".")) else ""
            raise ValueError(
                f"is {text[:40]!r}, it must be a number in {number.unit} or empty{hint}; a word for an unknown number "
                "belongs under unknown of the target"
            ) from None
        return None if isnan(value) else value

    return convert


def _truths_of(name: str, table: LabelSet) -> Labels:
    """Return the reader of columns of 0 and 1."""
    columns = table.columns_by_class()

    def truth(text: str) -> bool:
        if text.casefold() not in TRUTHS:
            raise ValueError(f"is {text[:40]!r}, it must be 0 or 1; if it means unknown, {NOBODY_LOOKED.format(name)}")
        return TRUTHS[text.casefold()]

    return lambda row: tuple(label for label, column in columns.items() if row.cell(column, truth, False))


def _codes_of(table: LabelSet) -> Labels:
    """Return the reader of a column of codes."""
    classes = table.codes_by_class()
    all_codes = set().union(*classes.values())

    def positives(text: str) -> tuple[str, ...]:
        present = _codes(text, table.separator)
        for code in sorted(present - all_codes):
            _refuse_joined(code, all_codes, table.separator)
        return tuple(name for name, own in classes.items() if own & present)

    return lambda row: row.cell(table.codes or "", positives, ())


def _refuse_joined(code: str, all_codes: set[str], separator: str) -> None:
    """Raise ValueError for a code that holds codes of classes between other separators: it would be of no class."""
    parts = [part.strip(AROUND) for part in JOINTS.split(code)]
    words = code.split()
    inside = [part for part in parts if part in all_codes] or (words if all_codes.issuperset(words) else [])
    if inside:
        raise ValueError(
            f"has the code {code[:40]!r}, which is of no class, though {', '.join(inside)} in it would be: is "
            f"separator = {separator!r} right?"
        )


def _category_of(name: str, table: LabelSet) -> Labels:
    """Return the reader of a column of categories, one for each recording."""
    owners = {value: label for label, values in table.codes_by_class().items() for value in values}

    def owner(text: str) -> tuple[str, ...]:
        value = text if text in owners else without_point_zero(text)
        if value not in owners and not table.otherwise:
            raise ValueError(
                f"is {text[:40]!r}, which is of no class{did_you_mean(value, owners)}: in label_sets.{name} add it to "
                "classes, give a class for the rest by otherwise, or list it under unknown"
            )
        return (owners[value],) if value in owners else ()

    return lambda row: row.cell(table.category or "", owner, ())


def note_unused_codes(label_sets: Mapping[str, LabelSet], rows: Sequence[Row], wrong: WrongCells, file: Path) -> None:
    """Note each class whose codes or categories are nowhere in the column: most often one is misspelt."""
    for name, table in label_sets.items():
        column = table.codes or table.category
        if column is None or not rows:
            continue
        cells = {row[column].strip() for row in rows}
        present = set().union(*(_codes(cell, table.separator) for cell in cells)) if table.codes else cells
        present |= {without_point_zero(value) for value in present}
        for label, codes in table.codes_by_class().items():
            if not codes & present:
                code_list = ", ".join(sorted(codes)) or "none given"
                hint = did_you_mean(next(iter(sorted(codes)), ""), sorted(present)[:30])
                problem = (
                    f"no row has a code of the class {label!r} ({code_list}){hint}: mend label_sets.{name} in {file}"
                )
                wrong.add(rows[0].file, rows[0].line, column, problem)


def _codes(text: str, separator: str) -> set[str]:
    """Return the codes in a cell, a whole number both with and without its ".0"."""
    codes = {code for part in text.split(separator) if (code := part.strip())}
    return codes | {without_point_zero(code) for code in codes}


def _is_in(text: str, values: set[str]) -> bool:
    """Whether a cell is one of `values`, with or without the ".0" of a whole number."""
    return text in values or without_point_zero(text) in values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
