"""Logistic sigmoid."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import logistic
from core.pointwise import Pointwise, Work


class Sigmoid(Pointwise):
    """y = 1 / (1 + exp(−x)), slope y (1 − y).

    The slope is computed as y / (1 + exp(x)): with 1 − y it would be 0 above x = 37, long before the true slope is.
    """

    op: Literal["sigmoid"] = "sigmoid"

    steepest: ClassVar[float | None] = 0.25
    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, 1.0)
    explanation: ClassVar[str] = "Squeezes any number into (0, 1): y = 1/(1+exp(−x)); its slope y(1−y) is at most 1/4."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return logistic(x, y, work("total"))

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.divide, y, work("total"), out)]
