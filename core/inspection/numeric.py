"""Derivatives along a line, measured: central differences at shrinking steps, extrapolated to step 0 (Ridders 1982)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from core.arrays import Array

FIRST_STEP = 2.0**-5
STEPS = 20
"""Halvings at most: down to 6e-8, below which rounding leaves nothing to see."""

_DEPTH = 8
_GOOD = 1e-11
"""Relative uncertainty at which a smaller step is no longer worth its time."""

_LIKE_STEPS = (0.83, 0.67)
# Large steps agree with one another also where a function is flat but for a small place around 0.
_SMALL_STEPS = (0.83 * 2.0**-7, 0.67 * 2.0**-13)

_SAFETY = 30
"""How many times as far off as it looks a measurement may be: the best of many estimates is a lucky one."""

# The error of one evaluation in units of |f|: some roundings, since sums are kept pairwise.
_ROUNDING = 16 * float(np.finfo(np.float64).eps)

Pattern = Mapping[str, Array]
"""By the name of each thing that can have a kink: on which side of it every entry is."""


@dataclass(frozen=True)
class Reading:
    """The function at one place of the line."""

    value: float
    pattern: Pattern = field(default_factory=dict)


Line = Callable[[float], Reading]


@dataclass(frozen=True)
class Slope:
    """The derivative at 0, how far off it can be, and the half-width of the smallest pair of points in it."""

    derivative: float
    uncertainty: float
    """What extrapolation and rounding may have left."""

    step: float


@dataclass(frozen=True)
class Kinked:
    """There is no derivative to measure: within even the smallest step these have a kink."""

    names: frozenset[str]


def slope_at_zero(line: Line, *, first_step: float = FIRST_STEP) -> Slope | Kinked | None:
    """The derivative of a line at 0; None where the function is not finite around it.

    Pairs of points with a kink between them are left out: the difference quotient across it is the slope of neither
    side.
    """
    middle = line(0.0).pattern
    rows: list[list[float]] = []
    best: Slope | None = None
    crossed: frozenset[str] = frozenset()
    for halvings in range(STEPS):
        step = first_step * 2.0**-halvings
        after, before = line(step), line(-step)
        if not (math.isfinite(after.value) and math.isfinite(before.value)):
            continue
        crossed = _differences(middle, after.pattern) | _differences(middle, before.pattern)
        if crossed:
            rows.clear()
            best = None
            continue
        rounding = _ROUNDING * max(abs(after.value), abs(before.value)) / step
        rows.append(_extrapolated((after.value - before.value) / (2 * step), rows[-1] if rows else []))
        candidate = _best_of(rows, rounding, step)
        if best is not None and candidate.uncertainty > 4 * best.uncertainty and len(rows) > _DEPTH:
            break
        if best is None or candidate.uncertainty < best.uncertainty:
            best = candidate
        if len(rows) > 2 and best.uncertainty <= _GOOD * abs(best.derivative):
            break
    if best is None:
        return Kinked(crossed) if crossed else None
    return best


def repeated_slope(line: Line, first: Slope) -> Slope:
    """The slope measured again with other steps, and an uncertainty that contains how much they differ.

    Where much smaller steps contradict the large ones, they are right.
    """
    like, small = ([_measured(line, factor) for factor in factors] for factors in (_LIKE_STEPS, _SMALL_STEPS))
    spread = max((abs(slope.derivative - first.derivative) for slope in like if slope), default=0.0)
    doubted = replace(first, uncertainty=_SAFETY * max(first.uncertainty, spread))
    for slope in small:
        distance = 0.0 if slope is None else abs(slope.derivative - doubted.derivative)
        if slope is not None and distance > doubted.uncertainty + _SAFETY * slope.uncertainty:
            doubted = replace(slope, uncertainty=_SAFETY * max(slope.uncertainty, distance))
    return doubted


def _measured(line: Line, factor: float) -> Slope | None:
    slope = slope_at_zero(line, first_step=FIRST_STEP * factor)
    return slope if isinstance(slope, Slope) else None


def _extrapolated(quotient: float, previous: list[float]) -> list[float]:
    """The quotient, and what it becomes as its errors of order 2, 4, 6 … are cancelled with the previous row."""
    row = [quotient]
    for order, above in enumerate(previous[: _DEPTH - 1], start=1):
        row.append(row[-1] + (row[-1] - above) / (4.0**order - 1))
    return row


def _best_of(rows: list[list[float]], rounding: float, step: float) -> Slope:
    """The entry of the last row that agrees best with its neighbors."""
    last = rows[-1]
    if len(last) == 1:
        return Slope(last[0], max(abs(last[0]), rounding), step)
    previous = rows[-2]
    errors = [
        (max(abs(last[order] - last[order - 1]), abs(last[order] - previous[order - 1])), order)
        for order in range(1, len(last))
    ]
    error, order = min(errors)
    return Slope(last[order], error + rounding, step)


def _differences(first: Pattern, second: Pattern) -> frozenset[str]:
    return frozenset(name for name, sides in first.items() if not np.array_equal(sides, second[name]))
