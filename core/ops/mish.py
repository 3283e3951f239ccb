"""Mish."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, smaller
from core.pointwise import Pointwise, Work


class Mish(Pointwise):
    """y = x tanh(softplus(x)).

    With w = exp(x) and m = w (w + 2) the tanh is m / (m + 2), and the slope m / (m + 2) + 4 x w (w + 1) / (m + 2)².
    From x = 40 on both are 1 in every precision, so x is held there and w² cannot overflow.

    Source: Misra 2020, "Mish: a self regularized non-monotonic activation function".
    """

    op: Literal["mish"] = "mish"

    rectifies: ClassVar[bool] = True
    explanation: ClassVar[str] = "A smooth rectifier that dips below 0 before it vanishes: y = x·tanh(log(1+exp(x)))."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        held, w, total, gate, two = work("held"), work("w"), work("total"), work("gate"), constant(2.0, y)
        return [
            smaller(x, constant(40.0, y), held),
            call(np.exp, held, w),
            call(np.add, w, two, gate),
            call(np.multiply, gate, w, gate),
            call(np.add, gate, two, total),
            call(np.divide, gate, total, gate),
            call(np.multiply, x, gate, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        w, total = work("w"), work("total")
        return [
            call(np.add, w, constant(1.0, y), out),
            call(np.divide, out, total, out),
            call(np.multiply, out, w, out),
            call(np.divide, out, total, out),
            call(np.multiply, out, constant(4.0, y), out),
            call(np.multiply, out, work("held"), out),
            call(np.add, out, work("gate"), out),
        ]
