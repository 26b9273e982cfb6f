"""Ages: what headers write, what a person can be, and the bands by which results are broken down."""

import numpy as np
import pytest

from benchmark.data.labels.demographics import known_age, parse_age
from benchmark.data.labels.groups import age_bands


@pytest.mark.parametrize(
    "text, age", [("42", 42), ("0", 0), ("130", 130), ("inf", None), ("-5", None), ("1000", None), ("nan", None)]
)
def test_an_age_that_nobody_has_is_unknown_in_headers_and_in_bands(text, age):
    assert known_age(parse_age(text)) == age
    assert bool(age_bands(np.array([float(text)]))[0]) is (age is not None)


def test_bands_begin_at_40_60_and_80():
    ages = np.array([0, 39.9, 40, 59, 60, 79.9, 80, 130, np.nan, np.inf, -np.inf, -1, 131])
    bands = ["under 40"] * 2 + ["40 to 59"] * 2 + ["60 to 79"] * 2 + ["80 and over"] * 2 + [""] * 5
    assert list(age_bands(ages)) == bands
    assert parse_age("unknown") is None and parse_age("") is None
