"""Small groups of calls that several ops and losses are made of; each takes the array it writes."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, call


def constant(value: float, like: Array) -> Array:
    """A 0-d array of the type of `like`: as an operand it takes 0.2 µs where a Python float takes 0.5 (16 × 32)."""
    return np.asarray(value, like.dtype)


# NumPy 2.4 deprecates a positional `out` of these two, and warns on every call.
def larger(x: Array, y: Array, out: Array) -> Call:
    """The call that writes max(x, y); a NaN stays one. Complex numbers are compared by their real parts first."""
    return call(np.maximum, x, y, out=out)


def smaller(x: Array, y: Array, out: Array) -> Call:
    """The call that writes min(x, y); a NaN stays one. Complex numbers are compared by their real parts first."""
    return call(np.minimum, x, y, out=out)


def magnitude(x: Array, out: Array) -> Sequence[Call]:
    """Calls that write |x| into `out`; for complex x its analytic continuation ±x, which the complex step needs."""
    if not np.iscomplexobj(x):
        return [call(np.absolute, x, out)]
    # copysign, since sign would make 0 + ih into 0: there |x| shall be the branch that max(x, 0) takes as well.
    sign = np.empty(x.shape)
    return [call(np.copysign, 1.0, x.real, sign), call(np.multiply, x, sign, out)]


def decay(x: Array, out: Array) -> Sequence[Call]:
    """Calls that write exp(−|x|) into `out`: at most 1, and 0 only where the true value underflows."""
    return [*magnitude(x, out), call(np.negative, out, out), call(np.exp, out, out)]


def logistic(x: Array, out: Array, total: Array) -> Sequence[Call]:
    """Calls that write σ(x) = exp(x) / (1 + exp(x)) into `out` and 1 + exp(x) into `total`.

    What follows from them keeps its digits in both tails: 1 − σ = 1 / total, and σ' = σ / total. Above 708 (float32:
    87), where exp(x) would overflow, x is held.
    """
    return [
        smaller(x, constant(logistic_limit(out), out), total),
        call(np.exp, total, out),
        call(np.add, out, constant(1.0, out), total),
        call(np.divide, out, total, out),
    ]


def logistic_limit(like: Array) -> float:
    """The largest whole x for which neither exp(x) nor its reciprocal leaves the normal numbers."""
    return float(np.floor(np.log(np.finfo(like.dtype).max)) - 1.0)


def weighted_sum(x: Array, factor: float, out: Array, wide: Array) -> Sequence[Call]:
    """Calls that write factor · Σ x into the 0-d `out`; the sum is kept in the type of `wide`, a work array like x.

    A product with factors is the sum and the division at once, with the copy 0.9 µs at 64 × 10 in float32;
    add.reduce alone takes 1.3.
    """
    flat = wide.reshape(-1)
    return [call(np.copyto, wide, x), call(flat.dot, np.full(flat.size, factor, wide.dtype), out)]
