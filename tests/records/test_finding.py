"""A record is found by its key or by words; whatever is not clear is answered with what would make it so."""

import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.records.finding import find_place, find_record
from benchmark.records.store import place_of


@pytest.fixture
def cells(plan, store, fill):
    fill(plan, store)
    return plan.cells


def test_words_in_any_order_lead_to_the_one_record_that_they_all_fit(cells, store):
    cell = next(cell for cell in cells if cell.row == "handcrafted" and cell.question["seed"] == 1)
    words = ["synthetic/groups", f"fraction={cell.question['fraction']}", "handcrafted", "seed=1", "linear_probe"]
    assert find_place(store, words) == find_place(store, words[::-1]) == place_of(cell.spec)
    assert find_record(store, [cell.spec.key[:9]]).key == cell.spec.key


def test_options_of_the_method_are_words_too(cells, store):
    merl = [cell for cell in cells if cell.row == "merl" and cell.spec.task == "zero_shot"]
    assert find_place(store, ["embed_dim=16", "zero_shot"]) == place_of(merl[0].spec)


def test_several_matches_are_listed_with_what_tells_them_apart(cells, store):
    with pytest.raises(UsageError, match=r"records fit merl linear_probe; add a word:\n  [0-9a-f]{16}  merl .*seed="):
        find_place(store, ["merl", "linear_probe"])


def test_all_wrong_words_are_named_at_once_with_the_nearest(cells, store):
    with pytest.raises(UsageError, match=r"(?s)'merll' \(did you mean 'merl'\?\).*'fractoin=0.1' \(did you mean 'frac"):
        find_place(store, ["merll", "fractoin=0.1"])
    with pytest.raises(UsageError, match=r"fits all of merl seed=17|no record fits 'seed=17'"):
        find_place(store, ["merl", "seed=17"])
    with pytest.raises(UsageError, match=r"no record under .* fits all of handcrafted zero_shot"):
        find_place(store, ["handcrafted", "zero_shot"])


def test_records_show_takes_words(cells, store, capsys):
    assert main(["records", "show", "merl", "zero_shot", "--records", str(store.root)]) == 0
    assert '"zero_shot"' in capsys.readouterr().out
