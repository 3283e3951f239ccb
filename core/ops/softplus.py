"""Softplus, the smooth rectifier."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, call
from core.calls import constant, larger, magnitude, smaller
from core.pointwise import Pointwise, Work


class Softplus(Pointwise):
    """y = log(1 + exp(beta x)) / beta, computed as max(x, 0) + log(1 + exp(−beta |x|)) / beta; slope σ(beta x)."""

    op: Literal["softplus"] = "softplus"

    beta: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    """Sharpness of the bend; the larger, the closer to relu."""

    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, None)
    explanation: ClassVar[str] = "A rectifier with a round corner: y = log(1+exp(βx))/β; its slope is the sigmoid."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        tail, beta = work("tail"), constant(self.beta, y)
        return [
            *magnitude(x, tail),
            smaller(tail, constant(_FAR / self.beta, y), tail),
            call(np.multiply, tail, constant(-self.beta, y), tail),
            call(np.exp, tail, tail),
            call(np.log1p, tail, tail),
            call(np.divide, tail, beta, tail),
            larger(x, constant(0.0, y), y),
            call(np.add, y, tail, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        tail = work("tail")
        # 1 − exp(−y) with y > 0 is σ(βx): for β y = log(1 + exp(βx)), and nothing cancels in expm1.
        return [
            smaller(y, constant(_FAR / self.beta, y), tail),
            call(np.multiply, tail, constant(-self.beta, y), tail),
            call(np.expm1, tail, tail),
            call(np.negative, tail, out),
        ]


_FAR = 800.0
"""exp(−800) is 0 in float64, so nothing is lost where β |x| is held there, and β x cannot overflow."""
