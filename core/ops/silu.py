"""Sigmoid-weighted linear unit."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, logistic, logistic_limit, smaller
from core.pointwise import Pointwise, Work


class Silu(Pointwise):
    """y = x σ(x), slope σ (1 + x (1 − σ)); also called swish.

    Far above 0, where 1 − σ is held, x is held as well, or x (1 − σ) would grow again.

    Source: Elfwing et al. 2018; Ramachandran et al. 2017.
    """

    op: Literal["silu"] = "silu"

    rectifies: ClassVar[bool] = True
    explanation: ClassVar[str] = "Each number weighted by its own sigmoid, a smooth rectifier: y = x/(1+exp(−x))."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [*logistic(x, work("gate"), work("total")), call(np.multiply, x, work("gate"), y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [
            smaller(x, constant(logistic_limit(y), y), out),
            call(np.divide, out, work("total"), out),
            call(np.add, out, constant(1.0, y), out),
            call(np.multiply, out, work("gate"), out),
        ]
