"""Label subsets: nested, whole patients, stratified with a floor, seeded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.subsets import FLOOR_FRACTION, draw


def population(records=2000, classes=6, seed=0):
    random = np.random.default_rng(seed)
    patients = np.array([f"p{i}" for i in np.sort(random.integers(0, records // 2, records))])
    labels = (random.random((records, classes)) < np.geomspace(0.5, 0.004, classes)).astype(np.uint8)
    labels[~labels.any(axis=1), 0] = 1
    return [f"r{i}" for i in range(records)], patients, labels, [f"c{i}" for i in range(classes)]


def subset(fraction, seed=0, **options):
    return draw(*population(**options), fraction, seed)


@pytest.mark.parametrize("seed", range(5))
def test_one_percent_lies_inside_ten_inside_all(seed):
    small, medium, whole = (set(subset(fraction, seed).rows) for fraction in (0.01, 0.1, 1.0))
    assert small < medium < whole and len(whole) == 2000


@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.1, 0.5])
def test_patients_stay_whole_and_sizes_are_right(fraction):
    ids, patients, labels, classes = population()
    rows = draw(ids, patients, labels, classes, fraction, 0).rows
    chosen = set(patients[rows])
    assert set(np.flatnonzero(np.isin(patients, list(chosen)))) == set(rows)
    largest = max(np.unique(patients, return_counts=True)[1])
    assert fraction * 2000 <= len(rows) < fraction * 2000 + largest


@pytest.mark.parametrize("seed", range(5))
def test_every_label_has_a_positive_and_prevalences_follow(seed):
    small, medium = subset(0.01, seed), subset(0.1, seed)
    assert min(small.positives.values()) >= 1
    everywhere = population()[2].mean(axis=0)
    found = np.array(list(medium.positives.values())) / len(medium.rows)
    assert np.abs(found - everywhere).max() < 0.06  # a random draw of 200 has a deviation of 0.024


def test_a_label_without_any_positive_is_reported_as_such():
    ids, patients, labels, classes = population()
    labels[:, 5] = 0
    assert draw(ids, patients, labels, classes, 0.1, 0).positives["c5"] == 0


def test_seeds_differ_and_repeat():
    assert subset(0.1, 0).digest == subset(0.1, 0).digest != subset(0.1, 1).digest


def test_the_digest_names_the_recordings():
    ids, patients, labels, classes = population()
    before = draw(ids, patients, labels, classes, 0.1, 0).digest
    assert draw([f"x{i}" for i in ids], patients, labels, classes, 0.1, 0).digest != before


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_impossible_fractions_are_refused(fraction):
    with pytest.raises(ValueError, match="label fraction"):
        subset(fraction)


@settings(max_examples=60, deadline=None)
@given(st.integers(5, 400), st.integers(1, 12), st.integers(0, 100), st.floats(0.001, 0.5), st.floats(0.001, 1.0))
def test_nested_whole_patients_and_a_floor_for_any_population(records, classes, seed, one, other):
    _, patients, labels, names = everybody = population(records, classes, seed)
    low, high = (draw(*everybody, fraction, seed) for fraction in sorted((one, other)))
    assert set(low.rows) <= set(high.rows)
    for found in (low, high):
        assert set(np.flatnonzero(np.isin(patients, patients[found.rows]))) == set(found.rows)
        assert found.positives == dict(zip(names, labels[found.rows].sum(axis=0), strict=True))
        if found.fraction >= FLOOR_FRACTION:  # also where 1 % has fewer recordings than there are labels
            assert all(found.positives[name] >= 1 for name, some in zip(names, labels.any(axis=0), strict=True) if some)


def test_the_floor_adds_no_more_patients_than_labels():
    ids, patients, labels, classes = population(100, 12)
    assert len(set(patients[draw(ids, patients, labels, classes, 0.01, 0).rows])) <= 12
