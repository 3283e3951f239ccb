"""Mean and standard deviation that neither overflow nor underflow, whatever finite numbers they are of."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.data.table import Floats


class Moments(NamedTuple):
    mean: float
    deviation: float
    """Standard deviation with divisor n; exactly 0 if, and only if, all values are equal."""


def moments(values: Floats) -> Moments:
    """Mean and standard deviation of n >= 1 finite numbers, in two passes over scaled values.

    The values are first divided by the power of two above the largest, which is exact: squares of 1e308 then
    stay below 1, and squares of 1e-300 above 0.
    """
    if values.min() == values.max():
        return Moments(float(values[0]), 0.0)
    exponent = math.frexp(float(np.abs(values).max()))[1]
    scaled = np.ldexp(values, -exponent)
    mean = float(scaled.mean())
    spread = scaled - mean
    width = math.frexp(float(np.abs(spread).max()))[1]
    deviation = math.sqrt(float(np.square(np.ldexp(spread, -width)).mean()))
    # Two neighbouring numbers below 1e-307 differ by less than float64 can hold once scaled back.
    smallest = math.ulp(0.0)
    return Moments(math.ldexp(mean, exponent), max(math.ldexp(deviation, exponent + width), smallest))


def pooled(parts: Sequence[Moments], counts: Sequence[int]) -> Moments:
    """Mean and standard deviation of all values together, out of those of their parts and how many values each has.

    The variance is that within the parts plus that between their means: 2/3 · (1 + 1) + 1/3 · (0 + 4) = 8/3 for
    (1, 3) and (5). The deviation is exactly 0 if, and only if, all values are equal.
    """
    means, deviations = np.array(parts, np.float64).T
    if means.min() == means.max() and not deviations.any():
        return Moments(float(means[0]), 0.0)
    weights = np.array(counts, np.float64) / sum(counts)
    # Squares of 1e308 overflow and those of 1e-300 vanish; scaling by a power of two is exact.
    exponent = math.frexp(float(max(np.abs(means).max(), deviations.max())))[1]
    means, deviations = np.ldexp(means, -exponent), np.ldexp(deviations, -exponent)
    mean = float(weights @ means)
    spread = np.hypot(deviations, means - mean)
    width = math.frexp(float(spread.max()))[1]
    deviation = math.sqrt(float(weights @ np.square(np.ldexp(spread, -width))))
    return Moments(math.ldexp(mean, exponent), max(math.ldexp(deviation, exponent + width), math.ulp(0.0)))


def median(values: Floats) -> float:
    """Median of n >= 1 finite numbers; halves are added, so that the middle of two large numbers is finite."""
    middle = (len(values) - 1) // 2, len(values) // 2
    low, high = np.partition(values, middle)[list(middle)]
    return float(low) if low == high else float(low * 0.5 + high * 0.5)


def standardize(values: Floats, mean: float, deviation: float) -> Floats:
    """(values − mean) / deviation for deviation > 0; infinite only where the quotient itself exceeds float64."""
    with np.errstate(over="ignore"):
        difference = values - mean
        standardized = difference / deviation
        # The difference of two large numbers overflows although its quotient need not; halving both is exact.
        large = np.isinf(difference)
        if large.any():
            standardized[large] = (values[large] * 0.5 - mean * 0.5) / deviation * 2.0
    return standardized
