"""Which rows are learned from, which decide when to stop, and which are kept for the last test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.data.table import Indices
from core.errors import Invalid, Problem

Counts = NDArray[np.int64]


class Split(NamedTuple):
    """Row numbers in ascending order; every row is in exactly one of the three."""

    training: Indices
    validation: Indices
    test: Indices


def split_indices(
    rows: int, validation: float, test: float, stratify_codes: NDArray[np.integer] | None = None, *, seed: int
) -> Split:
    """`rows` row numbers divided by these shares of the whole, at random but always alike for the same seed.

    With `stratify_codes`, one class for each row, each class is divided by the same shares: the counts of the parts
    are those of the whole, rounded, and what rounding leaves goes to the classes with the largest remainders. Each
    class keeps a row in training, so that nothing is measured that could not be learned.
    Raises Invalid, with pointers `/validation` and `/test`, when the shares leave nothing to learn from.
    """
    _check_shares(rows, validation, test)
    codes = np.zeros(rows, np.int64) if stratify_codes is None else np.unique(stratify_codes, return_inverse=True)[1]
    sizes: Counts = np.bincount(codes).astype(np.int64)
    testing = _apportion(_rounded(rows * test), sizes, sizes - 1)
    validating = _apportion(_rounded(rows * validation), sizes, sizes - 1 - testing)
    shuffled = np.random.default_rng(seed).permutation(rows)
    # Stable, so that the rows of one class keep their shuffled order.
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    place = np.arange(rows) - np.repeat(starts, sizes)
    is_test = place < np.repeat(testing, sizes)
    is_validation = ~is_test & (place < np.repeat(testing + validating, sizes))
    return Split(
        training=np.sort(by_class[~is_test & ~is_validation]),
        validation=np.sort(by_class[is_validation]),
        test=np.sort(by_class[is_test]),
    )


def _check_shares(rows: int, validation: float, test: float) -> None:
    problems = [
        Problem(place, "is a share of the rows, from 0 to less than 1", got=share)
        for place, share in (("/validation", validation), ("/test", test))
        if not 0 <= share < 1
    ]
    if not problems and validation + test >= 1:
        problems.append(Problem("/validation", "validation and test together leave no rows for training"))
    if rows < 1:
        problems.append(Problem("", "there are no rows to split"))
    if problems:
        raise Invalid(problems)


def _rounded(share: float) -> int:
    return int(np.floor(share + 0.5))


def _apportion(total: int, sizes: Counts, capacity: Counts) -> Counts:
    """`total` divided over the classes in proportion to `sizes`, none above its capacity: largest remainder first."""
    total = min(total, int(capacity.sum()))
    quota = total * sizes / max(int(sizes.sum()), 1)
    counts = np.minimum(np.floor(quota).astype(np.int64), capacity)
    while (left := total - int(counts.sum())) > 0:
        order = np.argsort(counts - quota, kind="stable")
        fed = order[counts[order] < capacity[order]][:left]
        counts[fed] += 1
    return counts
