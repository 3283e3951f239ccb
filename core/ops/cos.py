"""Cosine."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.pointwise import Pointwise, Work


class Cos(Pointwise):
    """y = cos(x), slope −sin(x)."""

    op: Literal["cos"] = "cos"

    bounds: ClassVar[tuple[float | None, float | None]] = (-1.0, 1.0)
    explanation: ClassVar[str] = "A wave that starts at its crest: y = cos(x); its slope is −sin(x)."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [call(np.cos, x, y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.sin, x, out), call(np.negative, out, out)]
