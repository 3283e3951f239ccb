"""Hard threshold."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call
from core.pointwise import Pointwise, Work, beyond


class Hardshrink(Pointwise):
    """y = x where |x| > threshold, else 0; the value itself jumps there, and the slope 0 or 1 does not say so.

    Source: Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage", eq. 8.
    """

    op: Literal["hardshrink"] = "hardshrink"

    threshold: Annotated[float, Field(gt=0, le=1e6)] = 0.5
    """Numbers up to this size become 0."""

    explanation: ClassVar[str] = "Keeps large numbers and drops small ones: y = x where |x| > λ, else 0; slope 1 or 0."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(threshold=0.2), [(2, 3)])]

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [*beyond(x, self.threshold, y, work), call(np.multiply, x, y, y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return beyond(x, self.threshold, out, work)

    def corners(self) -> Sequence[float]:
        return (-self.threshold, self.threshold)
