"""Contamination by cards: every relation between two datasets, and when it is a proof."""

import pytest

from benchmark.data.labels.contamination import Exposure, proof, relation


@pytest.mark.parametrize(
    "dataset, other, expected",
    [
        ("ptbxl", "ptbxl", "same"),
        ("ptbxl", "physionet2021", "contains"),
        ("ptbxl", "physionet2020", "contains"),
        ("cpsc2018", "physionet2021", "contains"),  # by way of physionet2020
        ("csn", "physionet2021", "contains"),
        ("csn", "physionet2020", "none"),
        ("csn", "chapman_shaoxing", "part"),
        ("ptbxl", "cpsc2018", "none"),  # side by side in one collection
        ("ptbxl", "mimic_iv_ecg", "none"),
        ("ptbxl", "our_hospital", "unknown"),
    ],
)
def test_relations(dataset, other, expected):
    assert relation(dataset, other) == expected


@pytest.mark.parametrize(
    "dataset, name, reason",
    [
        ("ptbxl", "ptbxl", "its weights saw ptbxl itself, test recordings not excepted"),
        ("ptbxl", "ptbxl:test", "its weights saw ptbxl itself, test recordings not excepted"),
        ("ptbxl", "ptbxl:fold9", "its weights saw ptbxl itself, test recordings not excepted"),  # no split of ours
        ("ptbxl", "physionet2021", "its weights saw physionet2021, which contains ptbxl"),
        ("ptbxl", "physionet2021:train", "its weights saw physionet2021, which contains ptbxl"),  # nor one of these
        ("csn", "chapman_shaoxing", "its weights saw chapman_shaoxing, which is a part of csn"),
        ("ptbxl", "ptbxl:train", None),
        ("ptbxl", "ptbxl:val", None),
        ("ptbxl", "cpsc2018", None),
        ("csn", "physionet2020", None),
        ("ptbxl", "our_hospital", None),
    ],
)
def test_cards_prove_contamination_where_test_recordings_must_have_been_seen(dataset, name, reason):
    exposure = Exposure.of("its weights saw", name)
    assert proof(exposure, relation(dataset, exposure.name), dataset) == reason


def test_an_exposure_reads_like_a_sentence():
    assert str(Exposure.of("its weights saw", "ptbxl:train")) == "its weights saw the train split of ptbxl"
    assert str(Exposure("its probe learnt from", "csn", ("train", "val"))).endswith("the train and val splits of csn")
