"""Piecewise quadratic swish."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, larger, smaller
from core.pointwise import Pointwise, Work, between


class Hardswish(Pointwise):
    """y = x · (x/6 + 1/2 held between 0 and 1); by convention the slope is 0 at −3 and 1 at 3.

    Source: Howard et al. 2019, "Searching for MobileNetV3".
    """

    op: Literal["hardswish"] = "hardswish"

    rectifies: ClassVar[bool] = True
    explanation: ClassVar[str] = "A silu without exponentials: y = x·(x/6 + 1/2 held between 0 and 1)."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        gate = work("gate")
        return [
            call(np.divide, x, constant(6.0, y), gate),
            call(np.add, gate, constant(0.5, y), gate),
            larger(gate, constant(0.0, y), gate),
            smaller(gate, constant(1.0, y), gate),
            call(np.multiply, x, gate, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        inside, beyond, is_beyond = work("inside"), work("beyond"), work("is beyond", np.bool_)
        return [
            *between(x, (-3.0, 3.0), inside, work),
            call(np.divide, x, constant(3.0, y), out),
            call(np.add, out, constant(0.5, y), out),
            call(np.multiply, out, inside, out),
            call(np.greater_equal, x.real, np.asarray(3.0, x.real.dtype), is_beyond),
            call(np.copyto, beyond, is_beyond),
            call(np.add, out, beyond, out),
        ]

    def corners(self) -> Sequence[float]:
        return (-3.0, 3.0)
