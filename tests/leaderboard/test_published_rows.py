"""Published numbers from a file of one's own: rows in grey, also of methods that are not run here, never ranked."""

import csv
import io

import pytest

from benchmark.errors import DataError
from benchmark.leaderboard import latex, published
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.spreadsheet import spreadsheet
from benchmark.leaderboard.tables import Leaderboard

HEAD = "method,task,dataset,label_set,where,metric,value,source,evidence\n"
LINES = (
    'Their method,linear_probe,synthetic,groups,fraction=0.1,auroc_macro,0.99,"Smith et al., 2025",primary\n'
    'Their method,linear_probe,synthetic,groups,fraction=0.1,auprc_macro,0.7,"Smith et al., 2025",primary\n'
    'Their method,linear_probe,other,,fraction=0.1,auroc_macro,0.7,"Smith et al., 2025",primary\n'
)


@pytest.fixture
def board_of(plan, store, fill, tmp_path):
    values = {"random_init": 0.6, "handcrafted": 0.7, "merl": 0.8}
    fill(plan, store, lambda cell: values[cell.row])

    def board(lines, sources=""):
        (tmp_path / "own.csv").write_text(HEAD + lines, "utf-8")
        if sources:
            (tmp_path / "sources.toml").write_text(sources, "utf-8")
        return Leaderboard(plan, store, published=published.load_own(tmp_path / "own.csv"))

    return board


def test_a_method_that_is_not_run_here_is_grey_and_takes_no_part(board_of):
    board = board_of(LINES)
    text = markdown(board, [])
    assert "| *published, not ranked* |  |  |\n| *Their method (Smith et al., 2025)* | *0.990* | *–* |" in text
    assert board.tables[0].rankings["10 %"].best == {"merl"} and "| merl | **0.800" in text
    assert "they are never ranked" in text
    assert r"\textcolor{gray}{Their method (Smith et al., 2025)} & \textcolor{gray}{0.990}" in latex.tables(board)
    lines = [line for line in csv.DictReader(io.StringIO(spreadsheet(board))) if line["mark"] == "published"]
    assert [(line["method"], line["fraction"], line["mean"]) for line in lines] == [("Their method", "0.1", "0.990000")]


def test_sources_beside_the_file_are_cited(board_of):
    board = board_of(LINES.replace('"Smith et al., 2025"', "smith"), '[smith]\ncite = "Smith, Table 2"\n')
    assert [row.title for row in board.tables[0].published] == ["Their method (smith)"]
    assert "Their method (smith): Smith, Table 2 (its own paper)." in board.notes()


def test_one_source_gives_one_number_for_a_question(board_of):
    with pytest.raises(DataError, match=r"Their method \(Smith et al\., 2025\).*: 0\.99 and 0\.5"):
        board_of(LINES + LINES.splitlines()[0].replace("0.99", "0.5") + "\n")


def test_mistakes_are_named_at_once(board_of):
    wrong = LINES.replace("0.99", "high").replace("0.7,", "0.7,,").replace("primary", "guess")
    with pytest.raises(DataError) as error:
        board_of(wrong)
    assert "line 2: value is 'high'" in str(error.value) and "line 3: " in str(error.value)
    with pytest.raises(DataError, match="line 2: method is empty"):
        board_of(LINES.replace("Their method", ""))
