"""Maxima and sums along one axis, and the softmax they give."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, call


def row_sum(x: Array, axis: int, out: Array) -> Call:
    """The call that writes Σ x along `axis` into `out`, where that axis has length 1."""
    if x.flags.c_contiguous and out.flags.c_contiguous:
        ones = np.ones(x.shape[axis], x.dtype)
        # A product with ones takes 0.26 µs at 10 × 64 in float32, add.reduce 1.1.
        if x.ndim == 2 and axis == 0:
            return call(ones.dot, x, out[0])
        # At 6400 × 25 it takes 22 µs, add.reduce 143.
        if axis == x.ndim - 1:
            return call(x.reshape(-1, len(ones)).dot, ones, out.reshape(-1))
    return call(np.add.reduce, x, axis, None, out, True)


def row_maximum(x: Array, axis: int, out: Array) -> Call:
    """The call that writes max x along `axis` into `out`, where that axis has length 1."""
    return call(np.maximum.reduce, x, axis, None, out, True)


MOST_SPREAD = 64
"""Rows up to which one row is spread over all of them by a product with ones: an operand of another shape costs NumPy
0.9 µs a call, the product and an operand of the same shape 0.7 (3 × 150)."""


def shifted(x: Array, out: Array, maximum: Array, *, axis: int) -> Sequence[Call]:
    """Calls that write x − max x into `out`, which is not x, and max x along `axis` into `maximum` (length 1 there)."""
    if x.ndim == 2 and axis == 0 and len(x) <= MOST_SPREAD and out.flags.c_contiguous:
        spread, subtrahend = [call(np.ones((len(x), 1), x.dtype).dot, maximum, out)], out
    else:
        spread, subtrahend = [], maximum
    return [row_maximum(x, axis, maximum), *spread, call(np.subtract, x, subtrahend, out)]


def shifted_exponentials(x: Array, between: Array, exponentials: Array, total: Array, *, axis: int) -> Sequence[Call]:
    """Calls that write x − max x, its exponential, and the sum of that along `axis` (length 1 in `total`).

    The largest exponential is 1, so none overflows and no sum is 0. `between` and `exponentials` may be one array.
    """
    return [
        *shifted(x, between, total, axis=axis),
        call(np.exp, between, exponentials),
        row_sum(exponentials, axis, total),
    ]
