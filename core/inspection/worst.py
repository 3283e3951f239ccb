"""The entries of a tensor whose gradients are furthest off, found without measuring every one."""

import heapq

import numpy as np

from core.arrays import Array, Model
from core.inspection.directions import Comparison, Point, Variable

WORST = 20
"""Entries that are listed."""

MOST_COMPARISONS = 300
"""Directions that the search may take for one tensor."""


class Entry(Model):
    """One entry of a tensor whose gradient is wrong."""

    index: list[int]
    analytic: float | None
    numeric: float
    relative_error: float


def worst_entries(point: Point, variable: Variable, generator: np.random.Generator) -> list[Entry]:
    """The entries that are furthest off, the furthest first.

    A stretch of entries is measured by one random direction over all of them; the stretch that is furthest off is
    halved until single entries are left. So one wrong entry among a million is found by 40 comparisons.
    """
    change = variable.random_change(point.posed, generator)
    pending: list[tuple[float, int, int]] = [(0.0, 0, variable.size)]
    entries: list[Entry] = []
    comparisons = 0
    while pending and len(entries) < WORST and comparisons < MOST_COMPARISONS:
        _, start, stop = heapq.heappop(pending)
        middle = (start + stop) // 2
        for half in (slice(start, middle), slice(middle, stop)):
            if not change[half].any():
                continue
            size = half.stop - half.start
            found = _compare(point, variable, change, half)
            comparisons += 1
            if size > 1:
                heapq.heappush(pending, (-_distance(found), half.start, half.stop))
            elif found is not None:
                entries.append(_entry(variable, half.start, found, float(change[half.start])))
    return sorted(entries, key=lambda entry: -entry.relative_error)


def _compare(point: Point, variable: Variable, change: Array, stretch: slice) -> Comparison | None:
    part = np.zeros_like(change)
    part[stretch] = change[stretch]
    found = point.compare(variable.move(point.posed, part))
    return found if isinstance(found, Comparison) else None


def _distance(found: Comparison | None) -> float:
    """How far a stretch is off; one that cannot be measured comes last, one without a finite gradient first."""
    if found is None:
        return 0.0
    return float("inf") if found.analytic is None else abs(found.numeric - found.analytic)


def _entry(variable: Variable, index: int, found: Comparison, change: float) -> Entry:
    """The comparison in the units of the entry itself, which was moved by `change`."""
    return Entry(
        index=[int(axis) for axis in np.unravel_index(index, variable.shape)],
        analytic=None if found.analytic is None else found.analytic / change,
        numeric=found.numeric / change,
        relative_error=found.relative_error,
    )
