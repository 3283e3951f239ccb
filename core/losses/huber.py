"""Huber's loss."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, call
from core.calls import constant
from core.entrywise import Entrywise, bent_square, bent_square_slope, residual
from core.loss import LossSite


class Huber(Entrywise):
    """l = ½ e² where |e| <= delta, else delta (|e| − delta / 2), with e = y − t; slope e held within ±delta.

    Source: Huber 1964, "Robust estimation of a location parameter".
    """

    kind: Literal["huber"] = "huber"

    has_free_units: ClassVar[bool] = True

    delta: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    """Size of an error beyond which it counts as an outlier and pulls no harder."""

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(2, 4, 3))
        return [(cls(), outputs, targets), (cls(delta=0.4, reduction="sum"), outputs, targets)]

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, *bent_square(error, self.delta, out, site)]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, *bent_square_slope(error, self.delta, out), call(np.multiply, out, constant(scale, out), out)]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        return [lambda: np.abs((site.y - site.t).real) > self.delta]
