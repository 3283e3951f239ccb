"""Logarithm of the logistic sigmoid."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, decay, smaller
from core.pointwise import Pointwise, Work


class LogSigmoid(Pointwise):
    """y = log σ(x), computed as min(x, 0) − log(1 + exp(−|x|)); slope σ(−x) = 1 − exp(y)."""

    op: Literal["log_sigmoid"] = "log_sigmoid"

    bounds: ClassVar[tuple[float | None, float | None]] = (None, 0.0)
    explanation: ClassVar[str] = "The logarithm of a probability: y = −log(1+exp(−x)); its slope is 1/(1+exp(x))."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        tail = work("tail")
        return [
            *decay(x, tail),
            call(np.log1p, tail, tail),
            smaller(x, constant(0.0, y), y),
            call(np.subtract, y, tail, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.expm1, y, out), call(np.negative, out, out)]
