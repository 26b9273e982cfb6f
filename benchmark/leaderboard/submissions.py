"""Submitted rows: licence, paper, code and three flags, from ``submission.toml`` beside the records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from benchmark.errors import raise_all
from benchmark.records.files import folder_beside
from benchmark.toml_values import read_toml

FILE = "submission.toml"
FLAGS = {
    "leak_known": "leak known",  # what the weights have seen is known, whatever the verdict
    "replicated": "replicated by us",
    "confirmed": "confirmed by the authors",
}
HEAD = ("method", *FLAGS.values(), "licence", "paper", "code")
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class SubmittedRow(BaseModel):
    """A row of a suite as its authors describe it; the last two flags are set by the maintainers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    suite: Text
    row: Text
    licence: Text
    paper: Text
    code: Text
    leak_known: bool = False
    replicated: bool = False
    confirmed: bool = False

    @property
    def texts(self) -> list[str]:
        """Return the line of a table, in the order of `HEAD`."""
        return [self.row, *("yes" if getattr(self, f) else "no" for f in FLAGS), self.licence, self.paper, self.code]


class Submission(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: list[SubmittedRow] = Field(min_length=1)


def read_submission(path: Path) -> Submission:
    """Return the rows of a file; raise one `UsageError` that lists all its mistakes."""
    content = read_toml(path)
    try:
        submission = Submission.model_validate(content)
        places = [(one.suite, one.row) for one in submission.rows]
        twice = [
            f"{suite}: {row!r} stands twice" for suite, row in dict.fromkeys(places) if places.count((suite, row)) > 1
        ]
        raise_all(twice, f"{path} describes a row more than once:")
        return submission
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise_all(faults, f"{path} is no description of submitted rows:")
        raise


def submitted_rows(records: Path, suite: str, rows: Sequence[str]) -> list[SubmittedRow]:
    """Return what is known of a suite's rows, in their order; nothing where no file lies beside the records."""
    path = folder_beside(records) / FILE
    if not path.is_file():
        return []
    descriptions = {one.row: one for one in read_submission(path).rows if one.suite == suite}
    return [descriptions[row] for row in rows if row in descriptions]
