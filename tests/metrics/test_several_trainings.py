"""Rows that were trained several times: spread by source, and tests over patients and trainings, against simulation."""

import numpy as np
import pytest
from scipy.stats import t

from benchmark.metrics.paired import Sample, paired_difference
from benchmark.metrics.spread import spread_by_source

PATIENTS, RESAMPLES = 200, 200


def draw_row(rng, members, of_training, of_patients, shared, own=0.0):
    """Draw a row whose number is a mean over patients, resampled as the bootstrap does.

    Standard deviations: `of_training` of a training's effect, `of_patients` of what a training makes of one patient,
    `own` of what the method makes of one patient; `shared` ``(patients,)`` is what all methods find hard alike.
    """
    patients = shared + rng.normal(0, own, PATIENTS)
    return patients + rng.normal(0, of_training, (members, 1)) + rng.normal(0, of_patients, (members, PATIENTS))


def sample_of(by_patient, weights):
    values = by_patient.mean(axis=1)
    return Sample(float(values.mean()), values, by_patient @ weights.T / PATIENTS)


def weights_of_resamples(rng, resamples=RESAMPLES):
    return rng.multinomial(PATIENTS, np.full(PATIENTS, 1 / PATIENTS), resamples)


def share_separated(members, of_training, comparisons=1000, difference=0.0, seed=0):
    """Return the share of simulated comparisons with p < .05, for rows with these numbers of members."""
    rng = np.random.default_rng(seed)
    separated, weights = 0, weights_of_resamples(rng)
    for _ in range(comparisons):
        shared = rng.normal(0, 0.3, PATIENTS)
        first, second = (
            sample_of(draw_row(rng, count, of_training, 0.05, shared, own=0.1) + shift, weights)
            for count, shift in zip(members, (difference, 0.0), strict=True)
        )
        separated += paired_difference(first, second).p < 0.05
    return separated / comparisons


@pytest.mark.parametrize(
    ("members", "of_training"), [((3, 3), 0.02), ((3, 3), 0.002), ((3, 5), 0.01), ((1, 1), 0.0)], ids=str
)
def test_two_equal_methods_are_separated_in_five_percent_of_comparisons(members, of_training):
    share = share_separated(members, of_training)
    assert 0.025 <= share <= 0.07, share  # 1,000 comparisons: a standard error of .007


def test_single_trainings_of_equal_methods_are_separated_far_too_often():
    """The reason for several trainings: a test over patients alone takes the luck of a training for the method's."""
    assert share_separated((1, 1), 0.02, comparisons=300) > 0.4


def test_the_smallest_difference_is_separated_in_the_share_it_promises():
    rng = np.random.default_rng(5)
    weights = weights_of_resamples(rng, 2000)
    shared = rng.normal(0, 0.3, PATIENTS)
    rows = [sample_of(draw_row(rng, 5, 0.01, 0.05, shared, own=0.1), weights) for _ in range(2)]
    smallest = paired_difference(*rows).smallest(0.05)
    over_patients = paired_difference(*once(rows)).smallest(0.05)
    assert smallest > over_patients > 0
    rows = [sample_of(draw_row(rng, 1, 0.0, 0.05, shared, own=0.1), weights) for _ in range(2)]
    over_patients = paired_difference(*rows).smallest(0.05)
    assert share_separated((1, 1), 0.0, 300, over_patients) == pytest.approx(0.8, abs=0.1)


def once(rows):
    """Return the rows as if each had been trained once."""
    return [Sample.of_one(row.value, row.resampled.mean(axis=0)) for row in rows]


def test_trainings_add_their_variance_and_few_of_them_few_degrees_of_freedom():
    resampled = np.tile([-1e-9, 1e-9], (3, 50))  # hardly any spread over patients
    a, b = Sample(0.9, np.array([0.88, 0.90, 0.92]), resampled), Sample(0.8, np.array([0.8]), np.zeros((1, 100)))
    result = paired_difference(a, b)
    error = 0.02 / 3**0.5
    assert result.error == pytest.approx(error) and result.freedom == pytest.approx(2)
    assert result.p == pytest.approx(2 * t.sf(0.1 / error, 2))
    assert (result.low, result.high) == pytest.approx((0.1 - t.isf(0.025, 2) * error, 0.1 + t.isf(0.025, 2) * error))


def test_the_spread_by_source_recovers_the_variances_it_was_drawn_from():
    rng = np.random.default_rng(2)
    squares = []
    for _ in range(400):
        values = rng.normal(0, 0.03, (6, 1)) + rng.normal(0, 0.02, (1, 5)) + rng.normal(0, 0.01, (6, 5))
        spread = spread_by_source(values, rng.normal(0.8, 0.005, 1000))
        squares.append([spread.trainings**2, spread.subsets**2, spread.rest**2, spread.patients**2])
    assert np.mean(squares, axis=0) ** 0.5 == pytest.approx([0.03, 0.02, 0.01, 0.005], rel=0.06)


def test_a_source_that_was_drawn_once_has_an_unknown_spread():
    one_subset = spread_by_source(np.array([[0.8], [0.9]]), None)
    assert one_subset.trainings == pytest.approx(0.0707, abs=1e-4) and one_subset.subsets is None
    one_training = spread_by_source(np.array([[0.8, 0.9]]), None)
    assert one_training.subsets == pytest.approx(0.0707, abs=1e-4) and one_training.trainings is None
    single = spread_by_source(np.array([[0.8]]), None)
    assert single.trainings is None and single.subsets is None and single.patients is None
