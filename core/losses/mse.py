"""Squared error."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant
from core.entrywise import Entrywise, residual
from core.loss import LossSite


class Mse(Entrywise):
    """l = (y − t)², slope 2 (y − t); the mean is over examples and outputs."""

    kind: Literal["mse"] = "mse"

    has_free_units: ClassVar[bool] = True

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, call(np.multiply, error, error, out)]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, call(np.multiply, error, constant(2.0 * scale, out), out)]
