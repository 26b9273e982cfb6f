"""The leak gate by cards: every relation between what weights saw and what is tested has its verdict and reason."""

import pytest

from benchmark.api import MethodCard, Weights
from benchmark.data.labels.contamination import Verdict, join, judge, judge_published


@pytest.mark.parametrize(
    "dataset, seen, state, reason",
    [
        ("ptbxl", "ptbxl:train", "clean", "the train split of ptbxl, which shares no patient with test"),
        ("ptbxl", "ptbxl:val", "clean", "the val split of ptbxl"),
        ("ptbxl", "ptbxl:test", "contaminated", "ptbxl itself, test recordings not excepted"),
        ("ptbxl", "ptbxl", "contaminated", "ptbxl itself, test recordings not excepted"),
        ("ptbxl", "physionet2021", "contaminated", "saw physionet2021, which contains ptbxl"),
        ("ptbxl", "physionet2020", "contaminated", "saw physionet2020, which contains ptbxl"),
        ("cpsc2018", "physionet2021", "contaminated", "contains cpsc2018"),  # by way of physionet2020
        ("csn", "physionet2021", "contaminated", "contains csn"),
        ("csn", "physionet2020", "clean", "shares no recording with csn"),
        ("csn", "chapman_shaoxing", "contaminated", "which is a part of csn"),
        ("ptbxl", "cpsc2018", "clean", "shares no recording with ptbxl"),  # siblings in one collection
        ("ptbxl", "mimic_iv_ecg", "clean", "shares no recording with ptbxl"),
        ("ptbxl", "our_hospital", "unknown", "our_hospital, of which nothing is known here"),
    ],
)
def test_relations(dataset, seen, state, reason):
    found = judge(dataset, seen)
    assert found.state == state and reason in found.reasons[0]


CARD = MethodCard("M", "none", "MIT", trained_on=("mimic_iv_ecg",), weights={"v1": Weights("somewhere", "abc", "MIT")})


def test_the_checksum_on_the_card_is_what_makes_published_weights_known():
    assert judge_published("ptbxl", CARD, "abc").state == "clean"
    doubtful = judge_published("ptbxl", CARD, "other")
    assert doubtful.state == "unknown" and "not known to be the published one" in str(doubtful)
    assert judge_published("mimic_iv_ecg", CARD, "other").state == "contaminated"
    assert judge_published("ptbxl", MethodCard("M", "none", "MIT"), "abc").state == "unknown"


def test_what_the_suite_declares_comes_first():
    assert judge_published("ptbxl", CARD, "other", ["ptbxl:train"]).state == "clean"
    assert judge_published("ptbxl", CARD, "abc", ["physionet2021", "our_hospital"]).state == "contaminated"
    assert judge_published("ptbxl", CARD, "other", []).state == "clean"


def test_weights_chosen_by_labels_of_the_tested_dataset():
    from benchmark.registry import METHODS

    merl = METHODS.get("merl").card
    on_ptbxl, on_csn = judge_published("ptbxl", merl, "?"), judge_published("csn", merl, "?")
    assert "were chosen by labels of the val split of ptbxl" in str(on_ptbxl) and on_ptbxl.state == "unknown"
    assert on_csn.state == "contaminated" and "were chosen by labels of csn itself" in str(on_csn)
    assert "csn" not in str(on_ptbxl)  # labels of other data choose nothing here


def test_the_worst_state_wins_and_reasons_stay():
    both = join([Verdict("clean", ("a",)), Verdict("contaminated", ("b",)), Verdict("unknown", ("a",))])
    assert both == Verdict("contaminated", ("a", "b"))
