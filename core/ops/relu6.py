"""Rectifier with a ceiling."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from core.arrays import Array, Call
from core.calls import constant, larger, smaller
from core.pointwise import Pointwise, Work, between


class Relu6(Pointwise):
    """y = min(max(x, 0), 6); the slope is 0 at both corners by convention."""

    op: Literal["relu6"] = "relu6"

    rectifies: ClassVar[bool] = True
    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, 6.0)
    explanation: ClassVar[str] = "A rectifier that ends at 6: y = min(max(0, x), 6), slope 1 in between."

    @property
    def dies(self) -> bool:
        return True

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [larger(x, constant(0.0, y), y), smaller(y, constant(6.0, y), y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return between(x, (0.0, 6.0), out, work)

    def corners(self) -> Sequence[float]:
        return (0.0, 6.0)
