"""Mean, deviation and median at the ends of float64."""

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.moments import median, moments, pooled, standardize

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=20))
def test_moments_of_any_finite_numbers_are_finite_and_within_their_range(values: list[float]) -> None:
    mean, deviation = moments(np.array(values))
    slack = 1e-12 * max(abs(value) for value in values)
    assert min(values) - slack <= mean <= max(values) + slack
    assert 0 <= deviation < math.inf
    assert (deviation == 0) == (min(values) == max(values))


@given(st.lists(st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6) | st.just(0.0), min_size=2, max_size=20))
def test_moments_agree_with_exact_arithmetic(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    found = moments(np.array(values))
    largest = max(map(abs, values))
    assert found.mean == pytest.approx(float(mean), rel=1e-12, abs=1e-14 * largest)
    assert found.deviation == pytest.approx(math.sqrt(float(variance)), rel=1e-9, abs=1e-14 * largest + 5e-324)


@pytest.mark.parametrize("scale", [1e308, 1.0, 1e-300, 5e-324])
def test_moments_scale_with_the_values(scale: float) -> None:
    mean, deviation = moments(np.array([-1.0, 1.0]) * scale)
    assert mean == 0
    assert deviation == scale


@given(st.lists(finite, min_size=1, max_size=20))
def test_the_median_is_that_of_the_standard_library_or_a_finite_half_sum(values: list[float]) -> None:
    found = median(np.array(values))
    assert math.isfinite(found)
    expected = statistics.median(values)
    if math.isfinite(expected):
        assert found == pytest.approx(expected, rel=1e-15, abs=5e-324)


def test_numbers_at_both_ends_of_float64_are_standardized_without_overflow() -> None:
    values = np.array([-1.7e308, 1.7e308])
    assert standardize(values, *moments(values)).tolist() == pytest.approx([-1, 1], rel=1e-15)
    assert standardize(values, 1.7e308, 1.7e308).tolist() == pytest.approx([-2, 0], rel=1e-15)


@given(st.lists(st.lists(finite, min_size=1, max_size=6), min_size=1, max_size=6))
def test_moments_of_parts_together_are_those_of_all_values(parts: list[list[float]]) -> None:
    whole = moments(np.array([value for part in parts for value in part]))
    found = pooled([moments(np.array(part)) for part in parts], [len(part) for part in parts])
    largest = max(abs(value) for part in parts for value in part)
    assert found.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-12 * largest + 1e-322)
    assert found.deviation == pytest.approx(whole.deviation, rel=1e-6, abs=1e-9 * largest + 1e-322)
    assert (found.deviation == 0) == (whole.deviation == 0)
