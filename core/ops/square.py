"""Square."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.pointwise import Pointwise, Work


class Square(Pointwise):
    """y = x², slope 2x."""

    op: Literal["square"] = "square"

    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, None)
    explanation: ClassVar[str] = "The product of a number with itself: y = x²; its slope is 2x."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [call(np.multiply, x, x, y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.add, x, x, out)]
