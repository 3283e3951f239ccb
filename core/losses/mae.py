"""Absolute error."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, magnitude
from core.entrywise import Entrywise, residual
from core.loss import LossSite


class Mae(Entrywise):
    """l = |y − t|, slope the sign of y − t, 0 where they are equal."""

    kind: Literal["mae"] = "mae"

    has_free_units: ClassVar[bool] = True

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, *magnitude(error, out)]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, call(np.sign, error.real, out), call(np.multiply, out, constant(scale, out), out)]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        return [partial(np.greater, site.y.real, site.t)]
