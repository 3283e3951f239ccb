"""Piecewise linear sigmoid."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, larger, smaller
from core.pointwise import Pointwise, Work, between


class Hardsigmoid(Pointwise):
    """y = x/6 + 1/2 held between 0 and 1; the slope is 0 at both corners by convention."""

    op: Literal["hardsigmoid"] = "hardsigmoid"

    steepest: ClassVar[float | None] = 1.0 / 6.0
    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, 1.0)
    explanation: ClassVar[str] = (
        "A sigmoid of straight lines: y = x/6 + 1/2 held between 0 and 1, slope 1/6 in between."
    )

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [
            call(np.divide, x, constant(6.0, y), y),
            call(np.add, y, constant(0.5, y), y),
            larger(y, constant(0.0, y), y),
            smaller(y, constant(1.0, y), y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [*between(x, (-3.0, 3.0), out, work), call(np.divide, out, constant(6.0, y), out)]

    def corners(self) -> Sequence[float]:
        return (-3.0, 3.0)
