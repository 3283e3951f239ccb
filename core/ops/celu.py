"""Continuously differentiable exponential linear unit."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, call
from core.calls import constant, larger, smaller
from core.pointwise import Pointwise, Work


class Celu(Pointwise):
    """y = max(x, 0) + alpha (exp(min(x, 0) / alpha) − 1): an elu whose slope at 0 is 1 for every alpha.

    Source: Barron 2017, "Continuously differentiable exponential linear units".
    """

    op: Literal["celu"] = "celu"

    alpha: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    """The value −alpha is approached far below 0."""

    rectifies: ClassVar[bool] = True
    explanation: ClassVar[str] = "A smooth rectifier: y = x above 0 and α(exp(x/α)−1) below; its slope never jumps."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        exponent, negative = work("exponent"), work("negative")
        return [
            smaller(x, constant(0.0, y), exponent),
            larger(exponent, constant(_FAR * self.alpha, y), exponent),
            call(np.divide, exponent, constant(self.alpha, y), exponent),
            call(np.expm1, exponent, negative),
            call(np.multiply, negative, constant(self.alpha, y), negative),
            larger(x, constant(0.0, y), y),
            call(np.add, y, negative, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.exp, work("exponent"), out)]


_FAR = -800.0
"""exp(−800) is 0 in float64, so nothing is lost where x / alpha is held there, and it cannot overflow."""
