"""Calibration equals a loop over the bins; the bins of a figure are complete."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.metrics.calibration import expected_calibration_error, reliability


def by_loop(labels, probabilities, bins):
    errors = []
    for c in range(labels.shape[1]):
        gap = 0.0
        for b in range(bins):
            low, high = b / bins, (b + 1) / bins
            p = probabilities[:, c]
            inside = (p >= low) & ((p < high) | (b == bins - 1))
            if inside.any():
                gap += inside.mean() * abs(p[inside].mean() - labels[inside, c].mean())
        errors.append(gap)
    return errors


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([1, 2, 4, 8]), st.integers(1, 16))
def test_equal_to_a_loop_over_bins(seed, n, bins, steps):
    """Probabilities are multiples of a power of two, many of them on the edges of the bins."""
    rng = np.random.default_rng(seed)
    labels, probabilities = rng.integers(0, 2, (n, 3)), rng.integers(0, steps + 1, (n, 3)) / steps
    if steps & (steps - 1):  # no power of two: keep away from edges, where rounding decides
        probabilities = np.clip(probabilities + 1e-6, 0, 1)
    errors = expected_calibration_error(labels, probabilities, bins)
    np.testing.assert_allclose(errors, by_loop(labels, probabilities, bins), atol=1e-9)


def test_a_calibrated_and_an_overconfident_forecast():
    rng = np.random.default_rng(0)
    p = rng.random((40_000, 1))
    labels = (rng.random(p.shape) < p).astype(int)
    assert expected_calibration_error(labels, p)[0] < 0.02
    assert expected_calibration_error(labels, (p > 0.5).astype(float))[0] == pytest.approx(0.25, abs=0.02)


def test_the_bins_of_a_figure():
    labels, probabilities = np.array([[0, 1], [1, 1]]), np.array([[0.04, 1.0], [0.06, 0.95]])
    figure = reliability(labels, probabilities)
    assert figure["count"] == [2, *[0] * 8, 2] and len(figure["edges"]) == 11
    assert figure["mean_probability"][0] == 0.05 and figure["share_positive"][0] == 0.5
    assert figure["share_positive"][9] == 1 and figure["share_positive"][4] is None


def test_probabilities_outside_are_refused():
    with pytest.raises(BenchmarkError, match=r"in 0\.\.1"):
        expected_calibration_error([[0], [1]], [[0.5], [1.5]])


def test_the_edges_of_the_bins():
    assert reliability([[0], [1]], [[0.1], [0.9]], bins=4)["edges"] == [0.0, 0.25, 0.5, 0.75, 1.0]
