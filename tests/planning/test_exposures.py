"""Exposures of a cell: all data that trained or selected its weights or its probe."""

import json
from dataclasses import replace

import pytest

from benchmark.api import MethodCard, Weights
from benchmark.planning.exposures import NOT_PUBLISHED, NOT_SAID, SAW_NOTHING, WITHOUT_WEIGHTS, Sources, sources_of
from benchmark.planning.plan import Cell
from benchmark.records.spec import RunSpec
from benchmark.registry import METHODS

RECIPE = {"dataset": "ptbxl", "dataset_version": 1, "dataset_config": {"rate": 500}, "training": {}, "limit": None}
PUBLISHED = Weights("somewhere", "abc", "MIT")


def cell(weights=None, weights_file=None, trained_on=None, **spec):
    spec = RunSpec("handcrafted", 1, {}, "linear_probe", 1, {}, "ptbxl", 1, {}, "super", weights=weights, **spec)
    return Cell(spec, "row", {}, weights_file, trained_on)


def sentences(sources: Sources) -> list[str]:
    return [str(exposure) for exposure in sources.exposures]


@pytest.fixture
def card(monkeypatch):
    """Return a function that changes fields of the method's card for one test."""
    before = METHODS.get("handcrafted").card
    return lambda **changes: monkeypatch.setattr(METHODS.get("handcrafted"), "card", replace(before, **changes))


def test_without_weights_nothing_was_seen():
    assert sources_of(cell()) == Sources(remarks=(WITHOUT_WEIGHTS,))


def test_a_recipe_saw_the_training_split_as_it_is_prepared_here():
    (exposure,) = sources_of(cell(pretraining=RECIPE)).exposures
    assert str(exposure) == "its weights saw the train split of ptbxl" and exposure.here
    assert exposure.config == {"rate": 500}


@pytest.mark.parametrize(
    "select, words",
    [("val_loss", "chosen by their loss on the val split"), ("zero_shot_val", "chosen by labels of the val split")],
)
def test_an_epoch_that_was_chosen_on_validation_data_saw_them_too(select, words):
    exposures = sentences(sources_of(cell(pretraining=RECIPE | {"training": {"select": select}})))
    assert len(exposures) == 2 and words in exposures[1]


def test_a_transferred_probe_learnt_from_its_source():
    source = {"dataset": "csn", "dataset_version": 1, "dataset_config": {}, "label_set": "all"}
    sources = sources_of(cell(source=source))
    assert sentences(sources) == ["its probe learnt from the train and val splits of csn"]
    assert sources.exposures[0].here and sources.remarks == (WITHOUT_WEIGHTS,)


def test_the_card_beside_a_file_counts_where_its_checksum_is_that_of_the_file(tmp_path):
    file = cell("abc", str(tmp_path / "weights.safetensors"))
    beside = {"sha256": "abc", "recipe": RECIPE, "data_digest": "d1"}
    (tmp_path / "card.json").write_text(json.dumps(beside))
    (exposure,) = sources_of(file).exposures
    assert exposure.splits == ("train",) and exposure.digest == "d1" and not exposure.here
    both = sources_of(replace(file, trained_on=["csn"]))
    assert sentences(both)[1] == "its weights saw csn"  # what the suite says comes on top
    for broken in ({"sha256": "another"}, {"recipe": None}, {"recipe": RECIPE | {"training": []}}, {"recipe": 5}):
        (tmp_path / "card.json").write_text(json.dumps(beside | broken))
        assert sources_of(file).remarks == (NOT_SAID,)


def test_published_weights_are_known_by_their_checksum(card):
    card(trained_on=("mimic_iv_ecg",), selected_on=("ptbxl:val", "csn"), weights={"v1": PUBLISHED})
    published, other = sources_of(cell("abc")), sources_of(cell("other"))
    assert sentences(published) == sentences(other) == [
        "its weights saw mimic_iv_ecg",
        "its weights were chosen by labels of the val split of ptbxl",
        "its weights were chosen by labels of csn",
    ]  # fmt: skip
    assert published.remarks == () and other.remarks == (NOT_PUBLISHED,)


def test_a_suite_speaks_for_files_that_are_not_published_and_adds_to_those_that_are(card):
    card(trained_on=("mimic_iv_ecg",), selected_on=(), weights={"v1": PUBLISHED})
    assert sentences(sources_of(cell("other", trained_on=["ptbxl:train"]))) == [
        "its weights saw the train split of ptbxl"
    ]
    assert len(sources_of(cell("abc", trained_on=["ptbxl:train"])).exposures) == 2
    assert sources_of(cell("other", trained_on=[])) == Sources(remarks=(SAW_NOTHING,))
    assert sentences(sources_of(cell("abc", trained_on=[]))) == ["its weights saw mimic_iv_ecg"]


def test_weights_of_which_nobody_says_anything(monkeypatch):
    monkeypatch.setattr(METHODS.get("handcrafted"), "card", MethodCard("M", "none", "MIT"))
    assert sources_of(cell("abc")).remarks == (NOT_SAID,)


def test_what_a_suite_declares_counts_for_methods_that_bring_their_own_weights():
    assert sentences(sources_of(cell(trained_on=["ptbxl:train"]))) == ["its weights saw the train split of ptbxl"]
