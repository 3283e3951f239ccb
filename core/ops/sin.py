"""Sine."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.pointwise import Pointwise, Work


class Sin(Pointwise):
    """y = sin(x), slope cos(x)."""

    op: Literal["sin"] = "sin"

    bounds: ClassVar[tuple[float | None, float | None]] = (-1.0, 1.0)
    explanation: ClassVar[str] = "A wave: y = sin(x); its slope is cos(x)."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [call(np.sin, x, y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.cos, x, out)]
