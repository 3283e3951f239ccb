"""Piecewise linear tanh."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from core.arrays import Array, Call
from core.calls import constant, larger, smaller
from core.pointwise import Pointwise, Work, between


class Hardtanh(Pointwise):
    """y = x held between −1 and 1; the slope is 0 at both corners by convention."""

    op: Literal["hardtanh"] = "hardtanh"

    steepest: ClassVar[float | None] = 1.0
    bounds: ClassVar[tuple[float | None, float | None]] = (-1.0, 1.0)
    explanation: ClassVar[str] = "A tanh of straight lines: y = x held between −1 and 1, slope 1 in between."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [larger(x, constant(-1.0, y), y), smaller(y, constant(1.0, y), y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return between(x, (-1.0, 1.0), out, work)

    def corners(self) -> Sequence[float]:
        return (-1.0, 1.0)
