"""The curve that elu and selu share: x above 0, alpha (exp(x) − 1) below."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, larger, smaller
from core.pointwise import Work, above


def exponential_unit(x: Array, y: Array, alpha: float, work: Work) -> Sequence[Call]:
    """Calls that write max(x, 0) + alpha (exp(min(x, 0)) − 1): one of the two terms is always 0."""
    zero, negative = constant(0.0, y), work("negative")
    return [
        smaller(x, zero, negative),
        call(np.expm1, negative, negative),
        call(np.multiply, negative, constant(alpha, y), negative),
        larger(x, zero, y),
        call(np.add, y, negative, y),
    ]


def exponential_unit_slope(x: Array, out: Array, alpha: float, work: Work) -> Sequence[Call]:
    """Calls that write 1 where x > 0 and alpha exp(x) elsewhere, not y + alpha, which would round to 0 below −37."""
    positive = work("positive")
    return [
        *above(x, 0.0, positive, work),
        call(np.multiply, positive, constant(1.0 - alpha, out), positive),
        smaller(x, constant(0.0, out), out),
        call(np.exp, out, out),
        call(np.multiply, out, constant(alpha, out), out),
        call(np.add, out, positive, out),
    ]
