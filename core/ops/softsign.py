"""Softsign."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, magnitude
from core.pointwise import Pointwise, Work


class Softsign(Pointwise):
    """y = x / (1 + |x|), slope 1 / (1 + |x|)²; it reaches ±1 more slowly than tanh."""

    op: Literal["softsign"] = "softsign"

    steepest: ClassVar[float | None] = 1.0
    bounds: ClassVar[tuple[float | None, float | None]] = (-1.0, 1.0)
    explanation: ClassVar[str] = "Squeezes any number into (−1, 1), slowly: y = x/(1+|x|); its slope is 1/(1+|x|)²."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        total = work("total")
        return [*magnitude(x, total), call(np.add, total, constant(1.0, y), total), call(np.divide, x, total, y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        # The reciprocal is taken before the square, which would overflow.
        return [call(np.reciprocal, work("total"), out), call(np.multiply, out, out, out)]
