"""Predictions of a suite's cells in one Parquet file, to be published: a row per cell, and each test split once.

Scores are kept as `score_codes`. The test split that they are scored against (ids, patients, labels, the attributes of
subgroups) lies in the file as well, so that numbers can be computed again without the dataset. Only datasets whose
licence permits it may be written (`check_licence`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.api import Truth
from benchmark.atomic import atomic_path
from benchmark.canonical import digest
from benchmark.errors import DataError, MissingError, UsageError, raise_all
from benchmark.records.score_codes import Codes
from benchmark.registry import DATASETS

FORM = "2026.1"  # of the file; a reader refuses any other
FORM_KEY, TESTS_KEY = b"ecgarena.predictions", b"ecgarena.tests"
LEVEL = 15  # of zstd
ROWS_PER_GROUP = 16


@dataclass(frozen=True)
class CellPredictions:
    """What a cell predicted: `columns` hold the codes of each class, or of the one target."""

    key: str
    title: str  # for people who look into the file
    array: str  # its name among the arrays beside the record: logits, scores, numbers
    test: str  # the digest of the test split that it is scored against
    source: str  # SHA-256 of the file beside the record that it was made from
    columns: list[Codes]
    thresholds: list[float] | None = None  # per class, chosen on validation

    def scores(self, one_dimension: bool) -> np.ndarray:
        """Return ``(recording, class)`` scores, or ``(recording,)`` where there are no classes; float64."""
        table = np.stack([column.scores() for column in self.columns], axis=1)
        return table[:, 0] if one_dimension else table


def check_licence(datasets: Iterable[str]) -> None:
    """Refuse datasets whose card does not permit their labels and predictions by recording to be published."""
    cards = {name: DATASETS.get(name).card for name in sorted(set(datasets))}
    problems = [
        f"{name}: {card.licence}; its card does not say `may_redistribute`, so predictions stay where they were made"
        for name, card in cards.items()
        if not card.may_redistribute
    ]
    raise_all(problems, "predictions by recording cannot be collected of:", UsageError)


def truth_digest(truth: Truth) -> str:
    """Return the digest of all that scores are held against; reports do not count."""
    return digest(_truth_json(truth), 16)


def write_predictions(path: Path, cells: Iterable[CellPredictions], tests: Mapping[str, Truth]) -> None:
    """Write cells, in the order of their keys, and their test splits by `truth_digest`, in one move."""
    import pyarrow
    import pyarrow.parquet

    in_order = sorted(cells, key=lambda cell: cell.key)
    truths = {name: _truth_json(truth) for name, truth in sorted(tests.items()) if name in {c.test for c in in_order}}
    text = base64.b64encode(zlib.compress(json.dumps(truths, ensure_ascii=False).encode(), 9))
    table = pyarrow.Table.from_pylist([_row(cell) for cell in in_order], _schema())
    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(
            table.replace_schema_metadata({FORM_KEY: FORM.encode(), TESTS_KEY: text}),
            temporary,
            row_group_size=ROWS_PER_GROUP,
            compression="zstd",
            compression_level=LEVEL,
            use_dictionary=False,
            write_page_checksum=True,
        )


class PredictionsFile:
    """A file of predictions, read cell by cell; raises one `DataError` for whatever is damaged in it."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        self.path = path
        if not path.is_file():
            raise MissingError(f"there is no file {path} of predictions; `ecgarena collect --predictions` makes one")
        try:
            self._file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
            metadata = self._file.schema_arrow.metadata or {}
            self._check_form(metadata)
            self.tests = _tests(metadata[TESTS_KEY])
            keys = self._file.read(["key"], use_threads=False)["key"].to_pylist()
        except (pyarrow.ArrowException, OSError, ValueError, LookupError, TypeError, zlib.error) as error:
            raise self._damaged(error) from None
        self.places = {key: divmod(place, ROWS_PER_GROUP) for place, key in enumerate(keys)}

    def get(self, key: str) -> CellPredictions | None:
        """Return the predictions of a cell, None where the file has none; raise `DataError` for damaged ones."""
        import pyarrow

        if key not in self.places:
            return None
        group, index = self.places[key]
        try:
            row = self._file.read_row_group(group, use_threads=False).slice(index, 1).to_pylist()[0]
            return _cell(row, len(self.tests[row["test"]].record_ids))
        except (pyarrow.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
            raise self._damaged(error) from None

    def all_cells(self) -> list[CellPredictions]:
        return [cell for key in self.places if (cell := self.get(key)) is not None]

    def _check_form(self, metadata: Mapping[bytes, bytes]) -> None:
        form = metadata.get(FORM_KEY, b"").decode()
        if form != FORM:
            kind = f"has the form {form}, this version reads {FORM}" if form else "is no file of predictions"
            raise DataError(f"{self.path} {kind}: use the ecgarena that wrote it, or collect the predictions again")

    def _damaged(self, error: Exception) -> DataError:
        text = " ".join(str(error).split())
        return DataError(f"{self.path} is no file of predictions, or is damaged ({text}); fetch it again")


def _schema() -> Any:
    import pyarrow

    text, number = pyarrow.string(), pyarrow.float64()
    column = pyarrow.struct([("low", number), ("step", number), ("kind", text), ("codes", pyarrow.binary())])
    names = ("key", "title", "array", "test", "source", "sha256")
    lists = [("thresholds", pyarrow.list_(number)), ("columns", pyarrow.list_(column))]
    return pyarrow.schema([*((name, text) for name in names), *lists])


def _row(cell: CellPredictions) -> dict[str, Any]:
    texts = {name: getattr(cell, name) for name in ("key", "title", "array", "test", "source")}
    columns = [
        {"low": one.low, "step": one.step, "kind": one.values.dtype.newbyteorder("<").str, "codes": _pack(one.values)}
        for one in cell.columns
    ]
    return {**texts, "thresholds": cell.thresholds, "columns": columns, "sha256": _sha256(columns, cell.thresholds)}


def _cell(row: Mapping[str, Any], recordings: int) -> CellPredictions:
    """Return a row as predictions; raise `ValueError` where it is not what was written."""
    if row["sha256"] != _sha256(row["columns"], row["thresholds"]):
        raise ValueError(f"the predictions of {row['key']} were changed after they were written")
    columns = [Codes(one["low"], one["step"], _unpack(one["codes"], one["kind"])) for one in row["columns"]]
    if any(len(column.values) != recordings for column in columns):
        raise ValueError(f"the predictions of {row['key']} are not as many as its test recordings")
    texts = {name: row[name] for name in ("key", "title", "array", "test", "source")}
    return CellPredictions(**texts, columns=columns, thresholds=row["thresholds"])


def _pack(values: np.ndarray) -> bytes:
    """Return the first bytes of all values, then the second ...: similar bytes side by side compress better."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(len(values), -1).T.tobytes()


def _unpack(content: bytes, kind: str) -> np.ndarray:
    dtype = np.dtype(kind)
    if dtype.str not in ("<u2", "<f4", "<f8"):
        raise ValueError(f"codes of the kind {kind!r} are unknown")
    planes = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(dtype).ravel()


def _sha256(columns: list[dict[str, Any]], thresholds: list[float] | None) -> str:
    total = hashlib.sha256(repr(thresholds).encode())
    for column in columns:
        total.update(repr((column["low"], column["step"], column["kind"])).encode() + column["codes"])
    return total.hexdigest()


def _truth_json(truth: Truth) -> dict[str, Any]:
    from dataclasses import asdict

    positives = [np.flatnonzero(column).tolist() for column in np.asarray(truth.labels).T]
    return {
        "label_set": truth.label_set,
        "record_ids": [str(name) for name in truth.record_ids],
        "patient_ids": [str(name) for name in truth.patient_ids],
        "classes": list(truth.classes),
        "positives": positives,  # per class, positions among the recordings
        "groups": {name: [str(value) for value in values] for name, values in truth.groups.items()},
        "target": None if truth.target is None else asdict(truth.target),
        "values": None if truth.values is None else [float(value) for value in truth.values],
    }


def _tests(content: bytes) -> dict[str, Truth]:
    """Return the test splits by digest; raise `ValueError` where one has another digest than it is called by."""
    tests = json.loads(zlib.decompress(base64.b64decode(content)))
    others = [name for name, fields in tests.items() if digest(fields, 16) != name]
    if others:
        raise ValueError(f"its test split {others[0]} was changed after it was written")
    return {name: _truth(fields) for name, fields in tests.items()}


def _truth(fields: Mapping[str, Any]) -> Truth:
    from benchmark.api import Target

    ids, classes = fields["record_ids"], fields["classes"]
    labels = np.zeros((len(ids), len(classes)), np.uint8)
    for column, rows in enumerate(fields["positives"]):
        labels[rows, column] = 1
    return Truth(
        ids,
        fields["patient_ids"],
        labels,
        tuple(classes),
        [""] * len(ids),
        {name: np.array(values, object) for name, values in fields["groups"].items()},
        fields["label_set"],
        None if fields["target"] is None else Target(**fields["target"]),
        None if fields["values"] is None else np.array(fields["values"]),
    )
