"""Label subsets: nested, whole patients, stratified with a floor, seeded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.labels.strata import strata
from benchmark.data.labels.subsets import FLOOR_FRACTION, Subset, draw, draw_recordings, first_of_each_class


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
    selection = set(patients[rows])
    assert set(np.flatnonzero(np.isin(patients, list(selection)))) == set(rows)
    largest = max(np.unique(patients, return_counts=True)[1])
    assert fraction * 2000 <= len(rows) < fraction * 2000 + largest


@pytest.mark.parametrize("seed", range(5))
def test_every_label_has_a_positive_and_prevalences_follow(seed):
    small, medium = subset(0.01, seed), subset(0.1, seed)
    assert min(small.positives.values()) >= 1
    everywhere = population()[2].mean(axis=0)
    result = np.array(list(medium.positives.values())) / len(medium.rows)
    assert np.abs(result - everywhere).max() < 0.06  # a random draw of 200 has a deviation of 0.024


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
    for result in (low, high):
        assert set(np.flatnonzero(np.isin(patients, patients[result.rows]))) == set(result.rows)
        assert result.positives == dict(zip(names, labels[result.rows].sum(axis=0), strict=True))
        if result.fraction >= FLOOR_FRACTION:  # also where 1 % has fewer recordings than there are labels
            assert all(
                result.positives[name] >= 1 for name, some in zip(names, labels.any(axis=0), strict=True) if some
            )


def test_the_floor_adds_no_more_patients_than_labels():
    ids, patients, labels, classes = population(100, 12)
    assert len(set(patients[draw(ids, patients, labels, classes, 0.01, 0).rows])) <= 12


def single(labels: np.ndarray):
    """A population of patients with one recording each."""
    names = [str(number) for number in range(len(labels))]
    return names, names, labels.astype(np.uint8), [f"c{i}" for i in range(labels.shape[1])]


@pytest.mark.parametrize("fraction, expected", [(0.0004, 1), (0.01, 10), (0.1, 100), (0.1005, 100), (1.0, 1000)])
def test_with_one_recording_per_patient_the_size_is_exact(fraction, expected):
    assert len(draw(*single(np.ones((1000, 1))), fraction, 0).rows) == expected


@pytest.mark.parametrize("seed", range(8))
def test_every_prefix_keeps_the_share_of_the_rarest_labels_and_of_nobody(seed):
    """A tenth of the patients has a rare label beside the common one, a fifth has none at all: give or take one."""
    labels = np.zeros((1000, 2))
    labels[:800, 0] = 1
    labels[:100, 1] = 1
    for fraction in (0.05, 0.2, 0.5):
        result = draw(*single(labels), fraction, seed)
        assert abs(result.positives["c1"] - 100 * fraction) <= 1.5
        assert abs(result.positives["c0"] - 800 * fraction) <= 3
        assert abs((result.rows >= 800).sum() - 200 * fraction) <= 1.5


def test_the_floor_takes_the_rarest_label_first_for_its_patient_may_cover_others():
    """One patient has all of the rare labels: he alone is moved, whatever else is drawn."""
    labels = np.zeros((2000, 4))
    labels[:, 0] = 1
    labels[7, 1:] = 1  # the only positive of c1; of c2 and c3 there are two
    labels[8, 2:] = 1
    for seed in range(8):
        assert {7} <= set(draw(*single(labels), 0.01, seed).rows) and len(draw(*single(labels), 0.01, seed).rows) == 20


def test_the_draw_is_part_of_the_protocol():
    """Subsets of frozen-eval-1, by digest: whatever changes one of them is another protocol."""
    digests = [subset(fraction, seed).digest for fraction in (0.01, 0.1) for seed in (0, 1)]
    assert digests == ["fb115d76ceb7af8b", "1a44595925603e13", "e052feb8abcf4950", "147381e5c15ac2e1"]


@pytest.mark.parametrize("fraction, size", [(0.0001, 1), (0.01, 20), (0.1, 200), (0.5, 1000)])
def test_recordings_alone_are_drawn_evenly_and_in_order(fraction, size):
    ids, _, labels, classes = population()
    result = draw_recordings(ids, labels, classes, fraction, 3)
    assert len(result.rows) == len(set(result.rows)) == size and (np.diff(result.rows) > 0).all()
    assert result.positives == dict(zip(classes, labels[result.rows].sum(axis=0), strict=True))


def test_a_manifest_names_the_recordings_and_a_note_only_where_there_is_one():
    ids, _, labels, classes = population()
    rows = np.array([4, 9])
    plain, with_note = (Subset.of(rows, ids, labels, classes, 0.1, 0, note) for note in ("", "as MERL draws"))
    assert plain.manifest(ids)["record_ids"] == ["r4", "r9"] and "note" not in plain.manifest(ids)
    assert with_note.summary()["note"] == "as MERL draws" and with_note.summary()["n"] == 2
    with pytest.raises(ValueError, match="longer"):
        Subset.of(rows, ids, labels, classes[:-1], 0.1, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_label_that_everybody_has_puts_nobody_into_the_stratum_of_a_rarer_one(seed):
    labels = np.ones((1000, 2))
    labels[100:, 1] = 0
    for fraction in (0.05, 0.2, 0.5):
        assert abs(draw(*single(labels), fraction, seed).positives["c1"] - 100 * fraction) <= 1.5


@pytest.mark.parametrize("seed", range(4))
def test_where_one_percent_has_no_room_the_floor_takes_one_patient_per_label_and_no_more(seed):
    assert len(draw(*single(np.tile(np.eye(5), (4, 1))), 0.01, seed).rows) == 5


def test_the_draw_where_there_is_no_room_is_part_of_the_protocol_too():
    rows = [draw(*single(np.tile(np.eye(5), (4, 1))), 0.01, seed).rows.tolist() for seed in range(4)]
    assert rows == [[2, 5, 6, 8, 14], [5, 11, 12, 14, 18], [7, 14, 15, 16, 18], [3, 9, 12, 15, 16]]


@pytest.mark.parametrize("seed", range(5))
def test_the_examples_of_few_are_among_those_of_more_and_come_first_in_subsets(seed):
    ids, patients, labels, classes = population(seed=seed)
    few, more = (first_of_each_class(ids, patients, labels, classes, count, seed) for count in (2, 8))
    assert set(few.rows) < set(more.rows)
    ten = set(draw(ids, patients, labels, classes, 0.1, seed).rows)
    for column, name in enumerate(classes):
        assert few.positives[name] >= 2 and more.positives[name] >= min(8, len(set(patients[labels[:, column] == 1])))
        if sum(labels[row, column] for row in ten) >= 20:
            assert sum(int(labels[row, column]) for row in few.rows if row in ten) >= 2


def test_examples_of_a_class_are_of_different_patients_and_a_rare_class_gives_what_it_has():
    labels = np.array([[1, 0]] * 6 + [[0, 1]] * 2)
    patients = ["a", "a", "a", "b", "c", "d", "e", "e"]
    subset = first_of_each_class([f"r{i}" for i in range(8)], patients, labels, ["x", "y"], 3, 0)
    assert subset.positives == {"x": 3, "y": 1} and len({patients[row] for row in subset.rows}) == 4
    with pytest.raises(ValueError, match="at least one example"):
        first_of_each_class(["r"], ["p"], np.ones((1, 1)), ["x"], 0, 0)


def test_strata_of_a_number_are_its_deciles_and_equal_values_stay_together():
    random = np.random.default_rng(0)
    values = random.normal(60, 15, 1000)
    matrix, names = strata(values, "years")
    assert (
        matrix.sum(axis=1).tolist() == [1] * 1000
        and set(matrix.sum(axis=0).tolist()) <= {99, 100, 101}
        and len(names) == 10
    )
    assert names[0].endswith("years") and names[0].startswith(f"{values.min():g} to ")
    places = matrix.argmax(axis=1)
    assert all(values[places == low].max() < values[places == low + 1].min() for low in range(9))
    repeated = np.array([1.0] * 50 + [2.0] * 50)
    assert strata(repeated, "mm")[1] == ("1 to 1 mm", "2 to 2 mm")
    assert strata(np.full(7, 3.0), "mm")[0].shape == (7, 1) and strata(np.array([4.0]), "mm")[0].tolist() == [[1]]
