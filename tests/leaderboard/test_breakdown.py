"""Tables by class and by subgroup: counts, values over seeds, intervals, and parts that have no number."""

import csv
import io

import pytest

from benchmark.cli import main
from benchmark.leaderboard import breakdown_tables
from benchmark.leaderboard.breakdown import breakdowns
from benchmark.leaderboard.presentation import read_presentation
from benchmark.leaderboard.tables import Leaderboard

VALUES = {"random_init": 0.6, "handcrafted": 0.7, "merl": 0.8}


@pytest.fixture
def board(plan, store, fill):
    """Records whose classes and subgroups differ by seed."""
    fill(plan, store, lambda cell: VALUES[cell.row])
    for cell in plan.cells:
        record, shift = store.get(cell.spec), 0.02 * cell.question.get("seed", 0)
        value = VALUES[cell.row] + shift
        record.per_class = {
            "NORM": {"auroc": value, "auroc_interval": [value - 0.1, value + 0.1], "auprc": 0.5, "positives": 7},
            "MI": {"auroc": None, "auprc": None, "positives": 0, "reason": "no positive in test"},
        }
        record.subgroups = {
            "sex": {
                "female": {"auroc_macro": value, "interval": [value - 0.2, value + 0.2], "n": 40, "patients": 39},
                "male": {"n": 12, "patients": 12, "reason": "fewer than 30 recordings"},
            }
        }
        store.set_aside(cell.spec)
        store.write(cell.spec, record)
    return Leaderboard(plan, store)


def test_classes_have_their_positives_and_the_mean_over_seeds_with_its_interval(board):
    text = breakdown_tables.markdown(board, "classes")
    assert "## Linear probe on synthetic groups, 10 %, by class" in text
    assert "| method | NORM (7) |" in text and "| merl | 0.810 [0.710, 0.910] |" in text
    assert "Left out: MI (no positive in test)." in text and "| random_init (baseline) | 0.610" in text
    assert "SYNTHETIC DATA" in text and "**0." not in text, "nothing is ranked"


def test_subgroups_have_their_recordings_and_reasons(board):
    first = next(breakdowns(board, "subgroups"))
    assert first.title == "Linear probe on synthetic groups, 10 %, by sex" and first.counts == {
        "female": 40,
        "male": 12,
    }
    text = breakdown_tables.markdown(board, "subgroups")
    assert "| method | female (40) |" in text and "| merl | 0.810 [0.610, 1.010] |" in text
    assert "Left out: male (fewer than 30 recordings)." in text


def test_the_csv_of_classes_has_every_metric_of_classes(board):
    lines = list(csv.DictReader(io.StringIO(breakdown_tables.spreadsheet(board, "classes"))))
    merl = [line for line in lines if (line["method"], line["fraction"]) == ("merl", "0.1")]
    by_place = {(line["class"], line["metric"]): line for line in merl}
    assert {place: line["mean"] for place, line in by_place.items()} == {
        ("NORM", "auroc"): "0.810000",
        ("NORM", "auprc"): "0.500000",
        ("MI", "auroc"): "",
        ("MI", "auprc"): "",
    }
    norm = by_place["NORM", "auroc"]
    assert norm["positives"] == "7" and norm["ci95_high"] == "0.910000"
    assert by_place["MI", "auroc"]["reason"] == "no positive in test"


def test_the_shorter_of_rows_and_parts_are_columns(plan, store, fill):
    classes = {f"c{number}": {"auroc": 0.5, "positives": number} for number in range(9)}
    fill(plan, store, per_class=classes)
    grid = breakdown_tables.grid_of(next(breakdowns(Leaderboard(plan, store), "classes")))
    assert grid.head == ["class (positives)", "handcrafted", "merl", "random_init (baseline)"]
    assert grid.lines[2] == ["c2 (2)", "0.500", "0.500", "0.500"]


def test_a_metric_without_classes_has_no_such_table(plan, store, fill):
    fill(plan, store, metrics={"auroc_macro": 0.8, "own": 1.0})
    board = Leaderboard(plan, store, look=read_presentation(None, {"metric": "own"}))
    assert list(breakdowns(board, "classes")) == []


def test_the_option_writes_files_of_their_own(board, tiny_suite, tmp_path, capsys):
    arguments = ["leaderboard", str(tiny_suite), "--records", str(board.store.root), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--format", "md,csv,tex", "--tables", "classes,subgroups"]) == 0
    kinds = [f"tiny-{kind}.{ending}" for kind in ("classes", "subgroups") for ending in ("csv", "md", "tex")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == kinds
    assert (
        r"\caption{Linear probe on synthetic groups, 10 \%, by class."
        in (tmp_path / "out" / "tiny-classes.tex").read_text()
    )
    assert main([*arguments, "--tables", "class"]) == 2
    assert "--tables:" in (error := capsys.readouterr().err) and "did you mean 'classes'?" in error
