"""Scaled exponential linear unit."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant
from core.exponential_unit import exponential_unit, exponential_unit_slope
from core.pointwise import Pointwise, Work

ALPHA = 1.6732632423543772848
SCALE = 1.0507009873554804934


class Selu(Pointwise):
    """y = scale · (x where x > 0, else alpha (exp(x) − 1)); the slope at 0 is scale · alpha.

    With weights of variance 1/fan_in (`lecun_normal`) mean 0 and variance 1 are a fixed point of the layer.

    Source: Klambauer et al. 2017, "Self-normalizing neural networks", eq. 2 and 14.
    """

    op: Literal["selu"] = "selu"

    explanation: ClassVar[str] = (
        "An elu scaled so that signals keep mean 0 and variance 1: y = 1.0507·elu(x, α=1.6733)."
    )

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [*exponential_unit(x, y, ALPHA, work), call(np.multiply, y, constant(SCALE, y), y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [*exponential_unit_slope(x, out, ALPHA, work), call(np.multiply, out, constant(SCALE, y), out)]

    def corners(self) -> Sequence[float]:
        return (0.0,)
