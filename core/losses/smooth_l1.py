"""Absolute error with a round corner."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, call
from core.calls import constant
from core.entrywise import Entrywise, bent_square, bent_square_slope, residual
from core.loss import LossSite


class SmoothL1(Entrywise):
    """l = ½ e² / beta where |e| < beta, else |e| − beta / 2, with e = y − t: Huber's loss divided by beta."""

    kind: Literal["smooth_l1"] = "smooth_l1"

    has_free_units: ClassVar[bool] = True

    beta: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    """Size of an error at which the parabola meets the straight line."""

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(2, 4, 3))
        return [(cls(), outputs, targets), (cls(beta=0.4, reduction="sum"), outputs, targets)]

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        error, subtract = residual(site)
        return [
            subtract,
            *bent_square(error, self.beta, out, site),
            call(np.divide, out, constant(self.beta, out), out),
        ]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        error, subtract = residual(site)
        factor = constant(scale / self.beta, out)
        return [subtract, *bent_square_slope(error, self.beta, out), call(np.multiply, out, factor, out)]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        return [lambda: np.abs((site.y - site.t).real) > self.beta]
