"""Ranks with ties and shared texts equal an enumeration of all orders; a constant similarity is at chance."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from benchmark.errors import BenchmarkError
from benchmark.metrics.retrieval import (
    DEPTHS,
    chance_levels,
    none_right_probability,
    place,
    resampled_means,
    resampled_medians,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6), st.integers(1, 6))
def test_one_query_against_all_orders_of_its_ties(candidates, depth):
    if not any(right for _, right in candidates):
        candidates[0] = (candidates[0][0], True)
    similarity, right = (np.array([column]) for column in zip(*candidates, strict=True))
    firsts = []
    for order in itertools.permutations(range(len(candidates))):
        ranked = sorted(order, key=lambda index: -candidates[index][0])  # stable: ties stay in this order
        firsts.append(next(at for at, index in enumerate(ranked, start=1) if candidates[index][1]))
    placement = place(similarity.astype(float), right.astype(bool))
    assert placement.rank()[0] == pytest.approx(np.mean(firsts))
    assert placement.hit(depth)[0] == pytest.approx(np.mean(np.array(firsts) <= depth))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.data())
def test_drawing_none_of_the_right_ones_equals_scipy(n, data):
    right, count = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    probability = none_right_probability(np.array([n]), np.array([right]), np.array([count]))[0]
    assert probability == pytest.approx(hypergeom(n, right, count).pmf(0), abs=1e-9)


def test_a_constant_similarity_is_at_chance():
    shared = np.array([40, 5, 1, 1, 1])
    right = np.repeat(np.arange(5), shared) == np.arange(5)[:, None]  # (text, recording)
    placement = place(np.zeros(right.shape), right)
    levels = chance_levels(48, shared, np.ones(5))
    for depth in DEPTHS:
        assert placement.hit(depth).mean() == pytest.approx(levels[f"recall_at_{depth}"])
    assert 0 < levels["recall_at_1"] < levels["recall_at_10"] < 1


def test_the_median_of_chance_equals_a_simulation():
    rng, shared = np.random.default_rng(0), np.array([30, 4, 1, 1, 1])
    owner = np.repeat(np.arange(5), shared)
    firsts = [
        1 + min(np.flatnonzero(order == t)) for order in (rng.permutation(owner) for _ in range(3000)) for t in range(5)
    ]
    assert abs(chance_levels(37, shared, np.ones(5))["median_rank"] - np.median(firsts)) <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25))
def test_resampled_means_and_medians_equal_repeated_rows(seed, n):
    rng = np.random.default_rng(seed)
    values, draws = rng.integers(0, 5, n).astype(float), rng.integers(0, 3, (4, n))
    weights = rng.choice([0.25, 0.5, 1.0], n)
    with np.errstate(all="raise"):
        means, medians = (function(values, weights, draws) for function in (resampled_means, resampled_medians))
    for row, mean, median in zip(draws, means, medians, strict=True):
        repeated = np.sort(np.repeat(values, (4 * weights * row).astype(int)))
        if not len(repeated):
            assert np.isnan(mean) and np.isnan(median)
        else:
            assert mean == pytest.approx(repeated.mean()) and median == repeated[(len(repeated) - 1) // 2]


def test_a_query_without_a_right_candidate_is_refused():
    with pytest.raises(BenchmarkError, match="right candidate"):
        place(np.zeros((1, 2)), np.zeros((1, 2), bool))
    with pytest.raises(BenchmarkError, match="right candidate"):
        place(np.zeros((2, 2)), np.array([[True, False], [False, False]]))
    with pytest.raises(BenchmarkError, match="finite"):
        place(np.array([[0.5, np.nan]]), np.ones((1, 2), bool))


@pytest.mark.parametrize("candidates", range(1, 30))
def test_the_median_of_chance_with_one_right_candidate(candidates):
    """Each place is as likely as any other: half of them are reached at ``ceil(candidates / 2)``."""
    levels = chance_levels(candidates, np.array([1]), np.ones(1))
    assert levels["median_rank"] == -(-candidates // 2)
    assert levels["recall_at_5"] == pytest.approx(min(1, 5 / candidates))
    assert levels.keys() == {"recall_at_1", "recall_at_5", "recall_at_10", "median_rank"}
