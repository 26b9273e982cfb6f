"""CKA equals its definition, is blind to rotation and scale, and is unbiased where the plain estimate is not."""

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.metrics.cka import pairwise_cka
from benchmark.metrics.row_similarity import row_similarity


def song(a, b):
    """Return the unbiased HSIC, written as theorem 5 of Song et al. has it."""
    kernels = [array @ array.T for array in (a - a.mean(0), b - b.mean(0))]
    for kernel in kernels:
        np.fill_diagonal(kernel, 0)
    k, m = kernels
    n, one = len(a), np.ones(len(a))
    total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ m @ one
    return total / (n * (n - 3))


def reference(a, b):
    return song(a, b) / np.sqrt(song(a, a) * song(b, b))


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(60, 5)) + 3
    return a, a[:, :3] @ rng.normal(size=(3, 7)) + rng.normal(size=(60, 7)), rng.normal(size=(60, 4))


def test_it_equals_the_definition(features):
    matrix = pairwise_cka(features)[0]
    for i, a in enumerate(features):
        for j, b in enumerate(features):
            assert matrix[i, j] == pytest.approx(reference(a, b), abs=1e-5)


def test_rotation_shift_and_scale_change_nothing(features):
    a, rng = features[0], np.random.default_rng(1)
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert pairwise_cka([a, 7 * a @ rotation + 100])[0, 0, 1] == pytest.approx(1, abs=1e-5)


def test_unrelated_encoders_with_many_channels_are_at_zero():
    rng = np.random.default_rng(2)
    values = [pairwise_cka(rng.normal(size=(2, 80, 400)))[0, 0, 1] for _ in range(40)]
    assert abs(np.mean(values)) < 0.01  # the plain estimate has .83 here


def test_weights_of_one_are_no_weights_and_a_weight_of_zero_leaves_out(features):
    weights = np.ones((2, 60))
    weights[1, :10] = 0
    whole, part = pairwise_cka(features, weights)
    assert whole == pytest.approx(pairwise_cka(features)[0], abs=1e-6)
    assert part == pytest.approx(pairwise_cka([array[10:] for array in features])[0], abs=1e-4)


def test_constant_features_have_no_similarity(features):
    assert np.isnan(pairwise_cka([features[0], np.ones((60, 3))])[0, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ([np.ones((5, 2)), np.ones((6, 2))], "same ones"),
        ([np.ones((3, 2)), np.ones((3, 2))], "4 recordings"),
        ([np.ones((5, 2)), np.full((5, 2), np.nan)], "finite"),
        ([np.ones((5, 2)), np.ones((5, 2, 2))], "form"),
    ],
)
def test_bad_features_are_refused(arrays, sentence):
    with pytest.raises(BenchmarkError, match=sentence):
        pairwise_cka(arrays)


def test_a_row_is_the_mean_over_its_trainings(features):
    a, b, c = features
    patients = [f"p{index // 2}" for index in range(60)]
    result = row_similarity({"two": [a, b], "one": [c]}, patients, resamples=50)
    assert result.value[0, 1] == pytest.approx((reference(a, c) + reference(b, c)) / 2, abs=1e-5)
    assert result.value[0, 0] == pytest.approx(reference(a, b), abs=1e-5)
    assert np.isnan(result.value[1, 1])
    assert (result.members, result.recordings, result.patients) == ((2, 1), 60, 30)


def test_the_interval_covers_the_value_of_many_draws():
    """Of 40 samples of one population, about 38 intervals hold its CKA (estimated from 4,000 recordings)."""
    rng = np.random.default_rng(3)
    mix = rng.normal(size=(4, 6))

    def sample(n):
        a = rng.normal(size=(n, 4))
        return a, a @ mix + 2 * rng.normal(size=(n, 6))

    truth = pairwise_cka(sample(4000))[0, 0, 1]
    hits = 0
    for _ in range(40):
        a, b = sample(100)
        result = row_similarity({"a": [a], "b": [b]}, [str(i) for i in range(100)], resamples=200)
        hits += result.low[0, 1] <= truth <= result.high[0, 1]
    assert 33 <= hits <= 40
