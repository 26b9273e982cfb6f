"""``diff``: which numbers moved between two sets of records, by how much, and why."""

import json

import pytest

from benchmark.cli import main
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.differences import differences
from benchmark.records.store import Store


@pytest.fixture
def stores(plan, tmp_path, fill):
    """Two stores of the same plan: in the second MERL scores better, by other code, and one cell is missing."""
    before, after = Store(tmp_path / "a"), Store(tmp_path / "b")
    fill(plan, before, lambda cell: 0.8)
    last = plan.cells[-1]
    fill(
        plan, after, lambda cell: None if cell is last else 0.83 if cell.row == "merl" else 0.8, code={"method": "f00"}
    )
    return before, after


def test_what_moved_what_stayed_and_what_is_on_one_side(plan, stores):
    result = differences(*stores)
    rows = [cell.row for cell in plan.cells[:-1]]
    assert len(result.moves) == rows.count("merl") and result.same == len(rows) - rows.count("merl")
    assert len(result.only_a) == 1 and not result.only_b and not result.unusable
    assert all(move.size == pytest.approx(0.03) for move in result.moves)
    assert result.moves[0].reasons["code of method"] == "unknown -> f00"


def test_equal_records_do_not_differ_and_a_tolerance_hides_small_moves(stores):
    assert differences(stores[0], stores[0]).moves == []
    assert differences(*stores, tolerance=0.031).moves == []


def test_a_damaged_record_is_named(plan, stores):
    path = stores[1].folder(plan.cells[0].spec) / "record.json"
    path.write_bytes(path.read_bytes()[:-9])
    (line,) = differences(*stores).unusable
    assert plan.cells[0].spec.key in line


def test_the_command_says_it_in_words_and_as_json(stores, capsys):
    places = [str(store.root) for store in stores]
    assert main(["diff", *places]) == 0
    text = capsys.readouterr().out
    assert (
        "auroc_macro 0.8000 -> 0.8300 (+0.0300)" in text and "only in A: 1 cells" in text and "code of method" in text
    )
    assert main(["diff", *places, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["moves"][0]["numbers"]["auroc_macro"]["difference"] == pytest.approx(
        0.03
    )


def test_a_place_without_records_is_refused(stores, tmp_path, capsys):
    assert main(["diff", str(stores[0].root), str(tmp_path / "nothing")]) != 0
    assert "there are no records at" in capsys.readouterr().err


def test_another_training_of_a_row_takes_no_record_from_its_partner(tiny_suite, tmp_path, fill):
    """With a second training in B, the first one's equal records were listed as gone from A and as new in B."""
    stores, plans = [], []
    for seeds in ("[0]", "[0, 1]"):
        text = tiny_suite.read_text().replace("epochs = 2", f"epochs = 2\nseed = {seeds}")
        suite = tmp_path / f"{len(seeds)}.toml"
        suite.write_text(text)
        plans.append(make_plan(load_suite(str(suite))))
        stores.append(Store(tmp_path / suite.stem))
        fill(plans[-1], stores[-1], lambda cell: 0.8)
    result = differences(*stores)
    assert result.same == len(plans[0].cells) and not result.only_a and not result.moves
    assert len(result.only_b) == len(plans[1].cells) - len(plans[0].cells) > 0
