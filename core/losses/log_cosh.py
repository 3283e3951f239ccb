"""Logarithm of the hyperbolic cosine of the error."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, magnitude, smaller
from core.entrywise import Entrywise, residual
from core.loss import LossSite


class LogCosh(Entrywise):
    """l = log cosh e with e = y − t, slope tanh e: half the square near 0, |e| − log 2 far away.

    Computed as log(1 + 2 sinh²(h/2)) + |e| − h with h = min(|e|, 20): exact near 0, where log cosh e = e²/2, and
    straight beyond 20, where it differs from a straight line by 1e-18.
    """

    kind: Literal["log_cosh"] = "log_cosh"

    has_free_units: ClassVar[bool] = True

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        error, subtract = residual(site)
        size, held = site.scratch("size", out.shape), site.scratch("held", out.shape)
        return [
            subtract,
            *magnitude(error, size),
            smaller(size, constant(20.0, out), held),
            call(np.subtract, size, held, size),
            call(np.multiply, held, constant(0.5, out), held),
            call(np.sinh, held, out),
            call(np.multiply, out, out, out),
            call(np.add, out, out, out),
            call(np.log1p, out, out),
            call(np.add, out, size, out),
        ]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, call(np.tanh, error, out), call(np.multiply, out, constant(scale, out), out)]
