"""Bell curve."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, larger, smaller
from core.pointwise import Pointwise, Work

_FAR = 40.0
"""exp(−1600) is 0 in float64, so nothing is lost where x is held between ±40, and its square cannot overflow."""


class Gaussian(Pointwise):
    """y = exp(−x²), slope −2 x y.

    Source: Broomhead and Lowe 1988, "Multivariable functional interpolation and adaptive networks", section 2.
    """

    op: Literal["gaussian"] = "gaussian"

    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, 1.0)
    explanation: ClassVar[str] = "Answers to numbers near 0 alone: y = exp(−x²); its slope is −2x·exp(−x²)."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        held = work("held")
        return [
            larger(x, constant(-_FAR, y), held),
            smaller(held, constant(_FAR, y), held),
            call(np.multiply, held, held, y),
            call(np.negative, y, y),
            call(np.exp, y, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.multiply, work("held"), y, out), call(np.multiply, out, constant(-2.0, out), out)]
