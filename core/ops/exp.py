"""Exponential function."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.pointwise import Pointwise, Work


class Exp(Pointwise):
    """y = exp(x), which is its own slope; beyond 709 (float32: 88) it overflows to infinity."""

    op: Literal["exp"] = "exp"

    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, None)
    explanation: ClassVar[str] = "Grows as fast as it is large: y = exp(x), and so is its slope."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [call(np.exp, x, y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.copyto, out, y)]
