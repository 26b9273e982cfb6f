"""Tables of a dataset: cells as text, wrong ones noted with their place, small files and very large ones alike."""

import pytest

from benchmark.data.formats.csv_index import CsvFile, RowIndex
from benchmark.data.formats.tables import WrongCells, read_table, whole_number, zero_or_one
from benchmark.errors import DataError

TEXT = 'id,what\n\n7,"one\ntwo"\n\n8.0,x\n9\n-3,y\nz,\n'


@pytest.fixture
def path(tmp_path):
    (tmp_path / "table.csv").write_text(TEXT, "utf-8")
    return tmp_path / "table.csv"


def test_lines_are_those_of_the_file_whatever_cells_and_blank_lines_hold(path):
    wrong = WrongCells("mend it")
    rows = read_table(path, ("id", "what"), wrong)
    assert [(row.line, row["what"]) for row in rows] == [(3, "one\ntwo"), (6, "x"), (8, "y"), (9, "")]
    assert [row.cell("id", whole_number, -1) for row in rows] == [7, 8, -1, -1]
    with pytest.raises(DataError) as raised:
        wrong.refuse()
    assert str(raised.value).splitlines() == [
        "3 wrong cells; mend it:",
        f"  - {path}, line 7: 1 cells, the header has 2",
        f"  - {path}, line 8, column id: is '-3', it must be a whole number",
        f"  - {path}, line 9, column id: is 'z', it must be a whole number",
    ]


def test_a_large_table_gives_the_same_rows_and_names_the_same_cells(path):
    small, large = WrongCells(""), WrongCells("")
    for row in read_table(path, ("id", "what"), small):
        row.cell("id", whole_number, -1)
    with CsvFile(path, ("id", "what"), large) as file:
        index = RowIndex(file, "id")
        assert index.get(7) == ["7", "one\ntwo"] and index.get(8) == ["8.0", "x"] and index.get(9) is None
    assert large.problems == small.problems and large.count == 3


@pytest.mark.parametrize(
    "text, words", [("", "lacks the columns id"), ("id\n", "lacks the column what"), (None, "is missing")]
)
def test_a_table_that_is_none_is_refused_at_once(tmp_path, text, words):
    path = tmp_path / "t.csv"
    if text is not None:
        path.write_text(text)
    for read in (
        lambda: read_table(path, ("id", "what"), WrongCells("")),
        lambda: CsvFile(path, ("id", "what"), WrongCells("")),
    ):
        with pytest.raises(DataError, match=words):
            read()


def test_labels_are_0_or_1_and_nothing_else():
    assert [zero_or_one(text) for text in ("0", "1", "0.0", "1.0")] == [False, True, False, True]
    for text in ("", "2", "yes", "nan", "-1"):
        with pytest.raises(ValueError, match="must be 0 or 1"):
            zero_or_one(text)
